"""Insight's settings."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from mesh.settings import Address
from mesh.trust import check_plaintext, health_address, tls_authorities, tls_certificate, tls_key
from services.insight.explaining_settings import ExplainingSettings
from services.insight.labels import reasons_of
from services.insight.reporting_settings import ReportingSettings


class InsightSettings(ExplainingSettings, ReportingSettings):
    """What insight reads from its environment."""

    bind: Address = Field(
        default="127.0.0.1:50053",
        validation_alias="INSIGHT_BIND",
        description="Where insight's gRPC listens, host:port.",
    )
    metrics_bind: str = Field(
        default="",
        validation_alias="INSIGHT_METRICS_BIND",
        description="Where insight serves /metrics, host:port; empty is off.",
    )
    tls_cert: str = tls_certificate("INSIGHT")
    tls_key: str = tls_key("INSIGHT")
    tls_ca: str = tls_authorities("INSIGHT")
    health_bind: str = health_address("INSIGHT")
    callers: str = Field(
        default="ingest=Score;edge=ExplainTransaction,GenerateReport;cli=*",
        validation_alias="INSIGHT_CALLERS",
        description="Who may call what, under TLS: SPIFFE-ID=Method,Method;SPIFFE-ID=*. A bare name is the process of "
        "that name beside this one: its SPIFFE id is ours with the last word replaced.",
    )
    ledger_target: str = Field(
        default="127.0.0.1:50052",
        min_length=1,
        validation_alias="INSIGHT_LEDGER_TARGET",
        description="The ledger whose feed insight learns from: host:port, or dns:///name:port for many.",
    )
    mongo_url: SecretStr = Field(
        default=SecretStr("mongodb://127.0.0.1:27017/autopay"),
        validation_alias="MONGO_URL",
        description="MongoDB replica set or mongos, with the database in the path. Write concern and journal are "
        "pinned to majority whatever it says.",
    )
    mongo_pool_min: int = Field(
        default=2,
        ge=0,
        le=1_000,
        validation_alias="MONGO_MIN_POOL_SIZE",
        description="Connections kept open per client.",
    )
    mongo_pool_max: int = Field(
        default=10,
        ge=1,
        le=1_000,
        validation_alias="MONGO_MAX_POOL_SIZE",
        description="The most connections per client.",
    )
    profiles_max: int = Field(
        default=200_000,
        ge=20_000,
        le=10_000_000,
        validation_alias="INSIGHT_PROFILES_MAX",
        description="The most account profiles in memory, under 1 KiB each. Where half as many hold all that are "
        "saved, scoring asks MongoDB for none.",
    )
    profile_ttl_s: float = Field(
        default=2.0,
        ge=0,
        le=600,
        validation_alias="INSIGHT_PROFILE_TTL_S",
        description="Seconds after which a replica that does not learn reads a profile again.",
    )
    load_budget_s: float = Field(
        default=0.015,
        gt=0,
        le=1,
        validation_alias="INSIGHT_LOAD_BUDGET_S",
        description="The most seconds scoring waits for profiles; then it goes by what is in memory.",
    )
    flush_s: float = Field(
        default=30.0,
        gt=0,
        le=60,
        validation_alias="INSIGHT_FLUSH_S",
        description="Seconds between savings of changed profiles, each spread over half of them: about what a crash "
        "makes the learner read again, and how old the profiles of replicas that don't learn may be. Often is dear: "
        "each saved profile costs MongoDB as much as two payments.",
    )
    scores_days: int = Field(
        default=120,
        ge=0,
        le=400,
        validation_alias="INSIGHT_SCORES_DAYS",
        description="Days that each payment's feature vector is kept so that labels can teach; some 200 bytes each. 0 "
        "keeps none, and no payment can be labelled.",
    )
    dispute_fraud_reasons: str = Field(
        default="fraud",
        validation_alias="INSIGHT_DISPUTE_FRAUD_REASONS",
        description="The reasons of disputes that label a payment as fraud, separated by commas: fraud, unrecognized, "
        "not_received and so on. Empty: disputes label nothing.",
    )
    lease_s: float = Field(
        default=15.0,
        ge=1,
        le=300,
        validation_alias="INSIGHT_LEASE_S",
        description="Seconds after which another replica learns if the one that did falls silent.",
    )

    @field_validator("dispute_fraud_reasons")
    @classmethod
    def _check_reasons(cls, value: str) -> str:
        reasons_of(value)
        return value

    @model_validator(mode="after")
    def _check_plaintext(self) -> Self:
        check_plaintext(self, "bind", "ledger_target")
        return self
