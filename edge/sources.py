"""The sources: each inbound integration with its provider's rules and its own secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.settings import EdgeSettings, split
from providers.autopay import AutopayProvider
from providers.contract import Provider, Secret, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One inbound integration: a namespace of ids, a provider type, its active secrets."""

    name: str
    provider: Provider
    secrets: Sequence[Secret]
    window: Window


def key_id_of(secret: str) -> str:
    """Return the id under which a secret's use is recorded: tells secrets apart and tells nothing about them."""
    return hashlib.sha256(b"autopay key id:" + secret.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def load(settings: EdgeSettings) -> Mapping[str, Source]:
    """Return the configured sources by name; a source without a secret is off.

    Raises:
        ValueError: two sources share a secret.
    """
    secrets = tuple(Secret(key_id_of(value), value) for value in split(settings.hmac_secret_key))
    if not secrets:
        return {}
    window = Window(age_s_max=settings.webhook_age_s_max, skew_s_max=settings.webhook_skew_s_max)
    provider = AutopayProvider(in_body_allowed=settings.in_body_signatures)
    return {"autopay": Source(name="autopay", provider=provider, secrets=secrets, window=window)}
