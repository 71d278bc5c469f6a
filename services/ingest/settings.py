"""Ingest's settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from mesh.settings import Address, MeshSettings
from mesh.trust import check_plaintext, health_address, tls_authorities, tls_certificate, tls_key


class IngestSettings(MeshSettings):
    """What ingest reads from its environment."""

    bind: Address = Field(
        default="127.0.0.1:50051",
        validation_alias="INGEST_BIND",
        description="Where ingest's gRPC listens, host:port.",
    )
    metrics_bind: str = Field(
        default="",
        validation_alias="INGEST_METRICS_BIND",
        description="Where ingest serves /metrics, host:port; empty is off.",
    )
    tls_cert: str = tls_certificate("INGEST")
    tls_key: str = tls_key("INGEST")
    tls_ca: str = tls_authorities("INGEST")
    health_bind: str = health_address("INGEST")
    callers: str = Field(
        default="edge=*",
        validation_alias="INGEST_CALLERS",
        description="Who may call what, under TLS: SPIFFE-ID=Method,Method;SPIFFE-ID=*. A bare name is the process of "
        "that name beside this one: its SPIFFE id is ours with the last word replaced.",
    )
    writers: str = Field(
        default="edge=*",
        validation_alias="INGEST_WRITERS",
        description="Who may send deliveries of which source, under TLS: SPIFFE-ID=source,source;SPIFFE-ID=*.",
    )
    ledger_target: str = Field(
        default="127.0.0.1:50052",
        min_length=1,
        validation_alias="INGEST_LEDGER_TARGET",
        description="The ledger, `host:port` or `dns:///name:port` for every replica behind a name.",
    )
    insight_target: str = Field(
        default="127.0.0.1:50053",
        min_length=1,
        validation_alias="INGEST_INSIGHT_TARGET",
        description="Insight, `host:port` or `dns:///name:port`.",
    )
    amount_max: Decimal | None = Field(
        default=None,
        gt=0,
        max_digits=18,
        allow_inf_nan=False,
        validation_alias="INGEST_AMOUNT_MAX",
        description="The highest amount of a native payment in major units of its currency, for example "
        "1000000; unset is no limit. A third party's payments have happened: they are never refused for this.",
    )
    score_budget_ms: int = Field(
        default=25,
        ge=1,
        le=1_000,
        validation_alias="INGEST_SCORE_BUDGET_MS",
        description="Milliseconds a batch waits for its risk scores; what is late is stored without.",
    )
    record_budget_s: float = Field(
        default=1.3,
        gt=0,
        le=60,
        validation_alias="INGEST_RECORD_BUDGET_S",
        description="Seconds a batch waits for the ledger before it is answered with an error.",
    )
    sources: str = Field(
        default="",
        validation_alias="AUTOPAY_SOURCES",
        description="The sources, as TOML; AUTOPAY_SOURCES_FILE names a file of it. Without: one source for each "
        "provider, named like it. Edge and ingest read the same.",
    )
    redrive: bool = Field(
        default=True,
        validation_alias="INGEST_REDRIVE",
        description="Whether deliveries that wait in the ledger's inbox are run through the mapping again.",
    )

    @model_validator(mode="after")
    def _check_plaintext(self) -> Self:
        check_plaintext(self, "bind", "ledger_target", "insight_target")
        return self
