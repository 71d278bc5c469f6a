"""The ledger's settings."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from mesh.settings import Address, MeshSettings
from mesh.trust import check_plaintext, health_address, tls_authorities, tls_certificate, tls_key
from services.ledger.analysis_policy import policy
from services.ledger.sealing import parse_keys


class LedgerSettings(MeshSettings):
    """What the ledger reads from its environment."""

    bind: Address = Field(
        default="127.0.0.1:50052",
        validation_alias="LEDGER_BIND",
        description="Where the ledger's gRPC listens, host:port.",
    )
    metrics_bind: str = Field(
        default="",
        validation_alias="LEDGER_METRICS_BIND",
        description="Where the ledger serves /metrics; empty is off.",
    )
    tls_cert: str = tls_certificate("LEDGER")
    tls_key: str = tls_key("LEDGER")
    tls_ca: str = tls_authorities("LEDGER")
    health_bind: str = health_address("LEDGER")
    callers: str = Field(
        default="ingest=Record,RecordStream,LeaseDeliveries;edge=GetTransaction,BatchGetTransactions,ListTransactions,"
        "SummarizeTransactions,WatchTransactions;insight=GetTransaction,BatchGetTransactions,ListTransactions,"
        "SummarizeTransactions,WatchTransactions,LeaseAnalyses,CompleteAnalysis;cli=*",
        validation_alias="LEDGER_CALLERS",
        description="Who may call what, under TLS: SPIFFE-ID=Method,Method;SPIFFE-ID=*. A bare name is the process of "
        "that name beside this one: its SPIFFE id is ours with the last word replaced.",
    )
    writers: str = Field(
        default="ingest=*;cli=*",
        validation_alias="LEDGER_WRITERS",
        description="Who may record payments of which source, under TLS: SPIFFE-ID=source,source;SPIFFE-ID=*.",
    )
    mongo_url: SecretStr = Field(
        default=SecretStr("mongodb://127.0.0.1:27017/autopay"),
        validation_alias="MONGO_URL",
        description="MongoDB replica set or mongos, with the database in the path. Majority and journal are pinned "
        "whatever it says.",
    )
    mongo_pool_min: int = Field(
        default=2,
        ge=0,
        le=1_000,
        validation_alias="MONGO_MIN_POOL_SIZE",
        description="Connections kept open.",
    )
    mongo_pool_max: int = Field(
        default=10,
        ge=1,
        le=1_000,
        validation_alias="MONGO_MAX_POOL_SIZE",
        description="The most connections per client.",
    )
    write_budget_s: float = Field(
        default=1.2,
        gt=0,
        le=60,
        validation_alias="LEDGER_WRITE_BUDGET_S",
        description="Seconds one batch may take to become durable before its items are answered with UNAVAILABLE.",
    )
    read_budget_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        validation_alias="LEDGER_READ_BUDGET_S",
        description="Seconds one query may take in MongoDB.",
    )
    inflight_max: int = Field(
        default=2,
        ge=1,
        le=64,
        validation_alias="LEDGER_INFLIGHT_MAX",
        description="Batches being written at once.",
    )
    analysis_policy: str = Field(
        default="off",
        validation_alias="LEDGER_ANALYSIS_POLICY",
        description="Which payments are queued for analysis, once each: off, all, risky (level high or critical), or "
        "sample:P, a share from 0 to 1.",
    )
    page_token_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="LEDGER_PAGE_TOKEN_KEY",
        description="Key under which page tokens are sealed; give every replica the same. Empty: one is made at start, "
        "and tokens end with the process.",
    )
    body_keys: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="LEDGER_BODY_KEYS",
        description="Keys that encrypt the raw bytes of deliveries, comma-separated, each keyid:base64 of 32 bytes "
        "(openssl rand -base64 32). The first encrypts, all decrypt; give every replica the same. None: bytes are "
        "stored as they came.",
    )
    delivery_retention_days: int = Field(
        default=0,
        ge=0,
        le=18_250,
        validation_alias="LEDGER_DELIVERY_RETENTION_DAYS",
        description="Days after which what arrived is removed, once it is recorded, a duplicate, ignored or dismissed; "
        "0 is never. Payments and what is in quarantine stay.",
    )

    @field_validator("body_keys")
    @classmethod
    def _check_keys(cls, value: SecretStr) -> SecretStr:
        parse_keys(value.get_secret_value())
        return value

    @field_validator("analysis_policy")
    @classmethod
    def _check_policy(cls, value: str) -> str:
        policy(value)
        return value

    @model_validator(mode="after")
    def _check_plaintext(self) -> Self:
        check_plaintext(self, "bind")
        return self
