"""The edge's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from limits import RateLimitItem, parse
from pydantic import Field, SecretStr, model_validator

from edge import key_entries
from edge.networks import networks_of
from mesh.settings import Address, MeshSettings, prefixed
from mesh.trust import check_plaintext, tls_authorities, tls_certificate, tls_key

# Of secrets that we make ourselves; a provider's own may be shorter.
SECRET_CHARACTERS_MIN = 32
_OFF = "off"
_STORAGES = frozenset({"memory", "redis", "rediss", "redis+unix", "mongodb", "mongodb+srv"})
_SECRETS_OF_SOURCES = "WEBHOOK_SECRET_"
# Three batches out leave a core idle now and then; full ones fill it, and cost an entry no more than any.
_FULL_BATCHES_MORE = 2


class EdgeSettings(MeshSettings):
    """What the edge reads from its environment."""

    bind: Address = Field(
        default="127.0.0.1:8080",
        validation_alias="EDGE_BIND",
        description="Where webhooks and reads are served, host:port.",
    )
    admin_bind: Address = Field(
        default="127.0.0.1:8081",
        validation_alias="EDGE_ADMIN_BIND",
        description="Where /livez, /readyz and /metrics are served, host:port; keep it inside.",
    )
    tls_cert: str = tls_certificate("EDGE")
    tls_key: str = tls_key("EDGE")
    tls_ca: str = tls_authorities("EDGE")
    ingest_target: str = Field(
        default="127.0.0.1:50051",
        validation_alias="EDGE_INGEST_TARGET",
        description="Ingest: host:port, or dns:///name:port for every replica behind a headless name.",
    )
    ledger_target: str = Field(
        default="127.0.0.1:50052", validation_alias="EDGE_LEDGER_TARGET", description="The ledger, for reads."
    )
    insight_target: str = Field(
        default="127.0.0.1:50053", validation_alias="EDGE_INSIGHT_TARGET", description="Insight, for reports."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        validation_alias="EDGE_WORKERS",
        description="Worker processes sharing one listening socket. In Kubernetes keep 1 and add replicas.",
    )
    hmac_secret_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="HMAC_SECRET_KEY",
        description="Secrets of the source `autopay`, comma-separated while one replaces another; none: it is off.",
    )
    webhook_secrets: Mapping[str, SecretStr] = Field(
        default_factory=lambda: {name: SecretStr(value) for name, value in prefixed(_SECRETS_OF_SOURCES).items()},
        validation_alias=_SECRETS_OF_SOURCES,
        description="Secrets of any source, comma-separated while one replaces another; the variable ends in the "
        "source's name in upper case, with _ for -: WEBHOOK_SECRET_STRIPE.",
    )
    paypal_webhook_id: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="EDGE_PAYPAL_WEBHOOK_ID",
        description="The id PayPal gave the webhook: what the source `paypal` verifies with.",
    )
    certificate_proxy: str = Field(
        default="",
        pattern=r"^(https?://[^/@]+/?)?$",
        validation_alias="EDGE_CERTIFICATE_PROXY",
        description="Where nothing else leads out: the URL of the HTTP proxy through which the certificates that "
        "PayPal signs with are fetched, for example http://proxy:3128; empty for directly.",
    )
    secrets_dir: Path | None = Field(
        default=None,
        validation_alias="EDGE_SECRETS_DIR",
        description="A directory of secrets, SOURCE/KEY-ID, as Kubernetes mounts a Secret; looked at every "
        "second, and a change counts at once.",
    )
    sources: str = Field(
        default="",
        validation_alias="AUTOPAY_SOURCES",
        description="The sources, as TOML; AUTOPAY_SOURCES_FILE names a file of it. Without: one source for each "
        "provider, named like it. Edge and ingest read the same.",
    )
    public_url: str = Field(
        default="",
        pattern="^(https?://[^?#]+)?$",
        validation_alias="EDGE_PUBLIC_URL",
        description="Where senders reach the edge, for example https://pay.example; with a source's path it is the URL "
        "that Square signs.",
    )
    api_keys: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="EDGE_API_KEYS",
        description="API keys, comma-separated, as `autopay keys new` prints them: id:sha256:scope+scope:last-day with "
        "the scopes transactions-read, transactions-full, reports-read and monitoring-read; the last day may be left "
        "out. In development also id.secret, with at least 22 characters of secret and every scope.",
    )
    monitoring_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="MONITORING_API_KEY",
        description="Reads the monitoring pages, sent in X-Monitoring-Key; an API key with the scope monitoring-read "
        "does so, too.",
    )
    webhook_age_s_max: int = Field(
        default=300,
        ge=1,
        le=86_400,
        validation_alias="MAX_WEBHOOK_AGE_SECONDS",
        description="The replay window: how old a signed timestamp may be, in seconds.",
    )
    webhook_skew_s_max: int = Field(
        default=5,
        ge=0,
        le=300,
        validation_alias="EDGE_FUTURE_SKEW_S",
        description="How far ahead of our clock a signed timestamp may be, in seconds.",
    )
    in_body_signatures: bool = Field(
        default=True,
        validation_alias="EDGE_IN_BODY_SIGNATURES",
        description="Accept the native form signed inside the body, which parses before it verifies. Production must "
        "switch it off.",
    )
    limit_unverified: str = Field(
        default="10/minute",
        validation_alias="EDGE_LIMIT_UNVERIFIED",
        description="How many deliveries with a wrong signature each client address is told 403; then it is told 429. "
        "`off` is no limit. What verifies is never refused for it.",
    )
    limit_reads: str = Field(
        default="30/minute", validation_alias="EDGE_LIMIT_READS", description="Reads per API key, or `off`."
    )
    limit_monitoring: str = Field(
        default="10/minute",
        validation_alias="EDGE_LIMIT_MONITORING",
        description="Requests for the monitoring pages per key, or `off`.",
    )
    limit_verified: str = Field(
        default="off",
        validation_alias="EDGE_LIMIT_VERIFIED",
        description="Verified deliveries per source, for example 60000/minute; over it they are told 429, and come "
        "again.",
    )
    limit_storage: SecretStr = Field(
        default=SecretStr("memory://"),
        validation_alias="EDGE_LIMIT_STORAGE",
        description="Where limits are counted: memory:// (each worker by itself), redis://…, rediss://… or "
        "mongodb://… While that is away, everything passes.",
    )
    trusted_proxies: str = Field(
        default="",
        validation_alias="EDGE_TRUSTED_PROXIES",
        description="Addresses and CIDR blocks, comma-separated, of proxies whose X-Forwarded-For is believed.",
    )
    https_cert: str = Field(
        default="",
        validation_alias="EDGE_HTTPS_CERT",
        description="PEM file of the certificate (and its chain) shown to senders and readers; read again when it "
        "changes. Unset is HTTP, for behind a proxy that ends TLS. EDGE_TLS_CERT is the edge's name inside the mesh.",
    )
    https_key: str = Field(
        default="",
        validation_alias="EDGE_HTTPS_KEY",
        description="PEM file of that certificate's private key, without a password.",
    )
    connections_max: int = Field(
        default=16_384,
        ge=1,
        le=60_000,
        validation_alias="EDGE_CONNECTIONS_MAX",
        description="Connections that a worker holds at once; one more is closed.",
    )
    address_connections_max: int = Field(
        default=12_288,
        ge=0,
        validation_alias="EDGE_ADDRESS_CONNECTIONS_MAX",
        description="Connections that a worker holds at once from one address, 0 for no bound; trusted proxies have "
        "none.",
    )
    header_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=75,
        validation_alias="EDGE_HEADER_TIMEOUT_S",
        description="Seconds that a new connection has to send its first request's headers, and up to a quarter more: "
        "what came together is not ended together. A kept one has 75 s from "
        "the last answer.",
    )
    waiters_max: int = Field(
        default=256,
        ge=0,
        le=10_000,
        validation_alias="EDGE_WAITERS_MAX",
        description="Native senders that may wait for an analysis at once (Prefer: wait=N); others are answered at "
        "once.",
    )
    body_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=120,
        validation_alias="EDGE_BODY_TIMEOUT_S",
        description="Seconds a request's body may take to arrive, and up to a quarter more.",
    )
    unverified_bytes_max: int = Field(
        default=33_554_432,
        ge=262_144,
        validation_alias="EDGE_UNVERIFIED_BYTES_MAX",
        description="Bytes of bodies that may be arriving, not yet verified, at once; over it answers are 503.",
    )
    queue_bytes_max: int = Field(
        default=67_108_864,
        ge=1_048_576,
        validation_alias="EDGE_QUEUE_BYTES_MAX",
        description="Bytes of verified deliveries that may wait for an answer at once; over it answers are 503.",
    )
    inflight_max: int = Field(
        default=3,
        ge=1,
        le=64,
        validation_alias="EDGE_INFLIGHT_MAX",
        description="Batches out to ingest at once, and two more that are full; shared by the workers, at least one "
        "each. More of them are smaller and cost more each.",
    )
    wait_s_max: float = Field(
        default=1.6,
        gt=0,
        le=60,
        validation_alias="EDGE_WAIT_S_MAX",
        description="Seconds a verified delivery may wait for a durable answer before 503.",
    )
    attempt_s_max: float = Field(
        default=1.5,
        gt=0,
        le=60,
        validation_alias="EDGE_ATTEMPT_S_MAX",
        description="Deadline in seconds of one call to ingest: the budget of that hop.",
    )

    @property
    def inflight_per_worker(self) -> tuple[int, int]:
        """Batches that one worker may have out at once, and how many where the next one is full.

        Workers share what there is: a batch costs the processes behind them the same whoever sends it, and two workers
        with as many each as one would send smaller ones.
        """
        mine = max(1, self.inflight_max // self.workers)
        full = ceil((self.inflight_max + _FULL_BATCHES_MORE) / self.workers)
        # One more at least: what waits behind a batch that hangs leaves by it, too.
        return mine, max(mine + 1, full)

    @model_validator(mode="after")
    def _check_plaintext(self) -> Self:
        check_plaintext(self, "ingest_target", "ledger_target", "insight_target")
        return self

    @model_validator(mode="after")
    def _check_https(self) -> Self:
        if bool(self.https_cert) != bool(self.https_key):
            raise ValueError("EDGE_HTTPS_CERT and EDGE_HTTPS_KEY belong together")
        return self

    @model_validator(mode="after")
    def _check_api_keys(self) -> Self:
        # Here and not in the worker: a supervisor would start workers that refuse them again and again.
        plain = [entry.id for entry in key_entries.parse(split(self.api_keys)) if not entry.hashed]
        if self.production and plain:
            raise ValueError(
                f"EDGE_API_KEYS: production takes keys hashed, as `autopay keys new` prints them; {plain[0]} is not"
            )
        return self

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        # Here for the same reason.
        for name in ("limit_unverified", "limit_reads", "limit_monitoring", "limit_verified"):
            _named(type(self).model_fields[name].validation_alias, rate_of, getattr(self, name))
        _named("EDGE_TRUSTED_PROXIES", networks_of, self.trusted_proxies)
        if urlsplit(self.limit_storage.get_secret_value()).scheme not in _STORAGES:
            raise ValueError("EDGE_LIMIT_STORAGE: must be memory://, or a URL of redis, rediss or mongodb")
        return self

    @model_validator(mode="after")
    def _check_production(self) -> Self:
        if not self.production:
            return self
        if self.in_body_signatures:
            message = "EDGE_IN_BODY_SIGNATURES must be false in production: that form parses before it verifies"
            raise ValueError(message)
        short = [each for each in split(self.hmac_secret_key) if len(each) < SECRET_CHARACTERS_MIN]
        if short:
            message = f"HMAC_SECRET_KEY must have at least {SECRET_CHARACTERS_MIN} characters in production"
            raise ValueError(message)
        if 0 < len(self.monitoring_key.get_secret_value()) < SECRET_CHARACTERS_MIN:
            message = f"MONITORING_API_KEY must have at least {SECRET_CHARACTERS_MIN} characters in production"
            raise ValueError(message)
        return self


def rate_of(text: str) -> RateLimitItem | None:
    """Return a limit as a setting writes it, None for `off`.

    Raises:
        ValueError: it is neither `off` nor like `10/minute`.
    """
    if text.strip().lower() == _OFF:
        return None
    try:
        return parse(text)
    except ValueError:
        raise ValueError("must be off, or like 10/minute or 1000 per 5 minutes") from None


def _named(variable: object, read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None


def split(value: SecretStr) -> list[str]:
    """Return the non-empty parts of a comma-separated secret setting."""
    return [part.strip() for part in value.get_secret_value().split(",") if part.strip()]
