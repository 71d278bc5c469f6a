"""Insight's settings that concern explanations and the model behind them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator

from mesh.settings import MeshSettings


class ExplainingSettings(MeshSettings):
    """What explaining reads from the environment."""

    explainer: Literal["auto", "gemini", "rules"] = Field(
        default="auto",
        validation_alias="INSIGHT_EXPLAINER",
        description="Who explains payments: gemini, rules (on read, without a network), or auto: gemini where there "
        "is a key.",
    )
    gemini_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        description="Key of the Gemini API; none: the rules explain, and nothing leaves.",
    )
    gemini_model: str = Field(
        default="gemini-3.5-flash-lite",
        pattern=r"^[A-Za-z0-9_./-]{1,100}$",
        validation_alias="GEMINI_MODEL",
        description="The model that explains. Models are shut down after a year or two, so this is yours to set.",
    )
    gemini_endpoint: str = Field(
        default="",
        pattern=r"^$|^[A-Za-z0-9.-]{1,253}:[0-9]{1,5}$",
        validation_alias="INSIGHT_GEMINI_ENDPOINT",
        description="Another host:port in Google's place, over TLS, for tests; refused in production.",
    )
    gemini_timeout_s: float = Field(
        default=30.0,
        ge=0.5,
        le=120,
        validation_alias="INSIGHT_GEMINI_TIMEOUT_S",
        description="Seconds one request to the model may take, its retries included.",
    )
    gemini_concurrency: int = Field(
        default=2,
        ge=1,
        le=32,
        validation_alias="INSIGHT_GEMINI_CONCURRENCY",
        description="Requests to the model at once, per replica.",
    )
    gemini_batch_max: int = Field(
        default=8,
        ge=1,
        le=20,
        validation_alias="INSIGHT_GEMINI_BATCH_MAX",
        description="The most payments in one request to the model, where several wait.",
    )
    gemini_tokens_per_minute: int = Field(
        default=200_000,
        ge=1_000,
        le=1_000_000_000,
        validation_alias="INSIGHT_GEMINI_TOKENS_PER_MINUTE",
        description="Tokens sent to and got from the model a minute, per replica.",
    )
    gemini_usd_per_day: float = Field(
        default=5.0,
        ge=0,
        le=1_000_000,
        validation_alias="INSIGHT_GEMINI_USD_PER_DAY",
        description="US dollars that all replicas together may spend on the model in a day, UTC.",
    )
    gemini_usd_input: float = Field(
        default=0.3,
        ge=0,
        le=1_000,
        validation_alias="INSIGHT_GEMINI_USD_INPUT",
        description="US dollars per million tokens sent; set your contract's price.",
    )
    gemini_usd_output: float = Field(
        default=2.5,
        ge=0,
        le=1_000,
        validation_alias="INSIGHT_GEMINI_USD_OUTPUT",
        description="US dollars per million tokens got; set your contract's price.",
    )
    gemini_failures_max: int = Field(
        default=5,
        ge=1,
        le=1_000,
        validation_alias="INSIGHT_GEMINI_FAILURES_MAX",
        description="Failed requests in a row after which the circuit opens and nothing is sent for a while.",
    )
    gemini_open_s: float = Field(
        default=30.0,
        ge=0.1,
        le=600,
        validation_alias="INSIGHT_GEMINI_OPEN_S",
        description="Seconds an open circuit waits before its one probe; twice as long after each that fails, up to "
        "ten minutes.",
    )
    explain_lease_s: float = Field(
        default=120.0,
        ge=5,
        le=300,
        validation_alias="INSIGHT_EXPLAIN_LEASE_S",
        description="Seconds a payment that is being explained is kept from other replicas; so long it waits where "
        "this one dies. At least 3 more than a request may take.",
    )

    @property
    def asks_gemini(self) -> bool:
        """Whether a model explains."""
        return self.explainer == "gemini" or (self.explainer == "auto" and bool(self.gemini_key.get_secret_value()))

    @model_validator(mode="after")
    def _check_explaining(self) -> Self:
        if self.explainer == "gemini" and not self.gemini_key.get_secret_value():
            raise ValueError("INSIGHT_EXPLAINER is gemini, which needs GEMINI_API_KEY")
        if self.gemini_endpoint and self.production:
            raise ValueError("INSIGHT_GEMINI_ENDPOINT is for tests and refused in production")
        if self.explain_lease_s < self.gemini_timeout_s + 3:
            raise ValueError("INSIGHT_EXPLAIN_LEASE_S must be at least 3 more than INSIGHT_GEMINI_TIMEOUT_S")
        return self
