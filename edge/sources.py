"""The sources: each inbound integration with its provider's rules and its own secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edge import secret_files
from edge.settings import SECRET_CHARACTERS_MIN, EdgeSettings, split
from edge.trust_roots import system_roots
from providers import registry
from providers import sources as configuration
from providers.contract import Provider, Secret, Window
from providers.sources import Configured, path_of, variable_of

SECRETS_MAX: Final = 16
# Native paths of the product's specification, and the general form.
_AUTOPAY_PATHS: Final = (path_of("autopay"), "/webhook/payment", "/webhooks/autopay")

Secrets = Mapping[str, Sequence[Secret]]


@dataclass(slots=True, kw_only=True)
class Source:
    """One inbound integration: a namespace of ids, a provider type, its active secrets.

    Attributes:
        name: its name.
        provider: its provider, configured for it.
        window: its replay window.
        secrets: those that verify now; empty where it is off. Replaced as a whole when they rotate, never changed.
    """

    name: str
    provider: Provider
    window: Window
    secrets: Sequence[Secret] = ()

    @property
    def paths(self) -> Sequence[str]:
        """The paths its webhooks are sent to."""
        return _AUTOPAY_PATHS if self.name == "autopay" else (path_of(self.name),)


def key_id_of(secret: str) -> str:
    """Return the id under which a secret's use is recorded: tells secrets apart and tells nothing about them."""
    return hashlib.sha256(b"autopay key id:" + secret.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def configured(settings: EdgeSettings, providers: Mapping[str, Provider]) -> Mapping[str, Configured]:
    """Return what is configured under each name.

    Raises:
        ValueError: the sources file is wrong; the text names the variable and the line or field.
    """
    # PayPal's certificates are trusted as this machine trusts those of TLS.
    enforced: dict[str, Mapping[str, object]] = {"paypal": {"roots": system_roots()}} if "paypal" in providers else {}
    # One switch for the one form that parses before it verifies, whatever a file says.
    if not settings.in_body_signatures:
        enforced["autopay"] = {"in_body": False}
    try:
        return configuration.load(settings.sources, providers, public_url=settings.public_url, enforced=enforced)
    except ValueError as error:
        raise ValueError(f"AUTOPAY_SOURCES_FILE: {error}") from None


@dataclass(frozen=True, slots=True)
class Keys:
    """What was read at one moment.

    Attributes:
        secrets: those of every source that has some.
        unknown: directories of secrets that are named like no source, and verify nothing.
    """

    secrets: Secrets
    unknown: Sequence[str]


class Keyring:
    """Where the secrets of the sources come from: the environment, and a directory that may change."""

    def __init__(self, settings: EdgeSettings, known: Mapping[str, Configured]) -> None:
        """Read for the sources that are `known`.

        Raises:
            ValueError: a variable names no source, or the directory is not there.
        """
        self.directory: Final = settings.secrets_dir
        self._known = known
        self._production = settings.production
        self._environment = environment_secrets(settings, known)
        if self.directory is not None and not self.directory.is_dir():
            raise ValueError(f"EDGE_SECRETS_DIR: there is no directory {self.directory}")

    def read(self) -> Keys:
        """Return the secrets of every source that has some.

        Raises:
            ValueError: one is wrong, or can't be used together with the others.
        """
        merged = {name: list(given) for name, given in self._environment.items()}
        found = secret_files.read(self.directory) if self.directory is not None else {}
        for name, given in found.items():
            if name in self._known:
                merged.setdefault(name, []).extend(given)
        secrets = checked(merged, self._known, production=self._production)
        return Keys(secrets, tuple(sorted(set(found) - set(self._known))))


def load(
    settings: EdgeSettings, providers: Mapping[str, Provider] | None = None
) -> tuple[Mapping[str, Source], Keyring]:
    """Return every source by name with its secrets, one without a secret being off, and where they come from.

    Args:
        settings: the edge's.
        providers: those that there are, by name; None for all that are installed.

    Raises:
        ValueError: the sources file or a secret is wrong; the text names which.
    """
    window = Window(age_s_max=settings.webhook_age_s_max, skew_s_max=settings.webhook_skew_s_max)
    known = configured(settings, registry.load() if providers is None else providers)
    keyring = Keyring(settings, known)
    secrets = keyring.read().secrets
    sources = {
        name: Source(name=name, provider=each.provider, window=window, secrets=secrets.get(name, ()))
        for name, each in known.items()
    }
    return sources, keyring


def environment_secrets(settings: EdgeSettings, known: Mapping[str, Configured]) -> Secrets:
    """Return the secrets that the environment gives to each source.

    Raises:
        ValueError: a variable names no source.
    """
    names = {variable_of(name): name for name in known}
    values: dict[str, list[str]] = {}
    for variable, value in settings.webhook_secrets.items():
        name = names.get(variable.upper())
        if name is None:
            raise ValueError(f"WEBHOOK_SECRET_{variable}: there is no source of this name")
        values.setdefault(name, []).extend(split(value))
    for name, value in (("autopay", settings.hmac_secret_key), ("paypal", settings.paypal_webhook_id)):
        if parts := split(value):
            if name not in known:
                raise ValueError(f"there is no source {name}, and a secret for it")
            values.setdefault(name, []).extend(parts)
    return {name: tuple(Secret(key_id_of(each), each) for each in given) for name, given in values.items()}


def checked(secrets: Secrets, known: Mapping[str, Configured], *, production: bool) -> Secrets:
    """Return secrets that may be used together, each value once.

    Raises:
        ValueError: two sources share one, a source has too many, or one that it can't use; no secret is shown.
    """
    owners: dict[str, str] = {}
    unique: dict[str, Sequence[Secret]] = {}
    for name, given in secrets.items():
        by_value: dict[str, Secret] = {}
        for secret in given:
            _check(secret, known[name], production=production)
            if secret.key_id in {each.key_id for each in by_value.values() if each.value != secret.value}:
                raise ValueError(f"source {name}: two secrets have the key id {secret.key_id}")
            owner = owners.setdefault(secret.value, name)
            if owner != name:
                # With one key, whoever may write one of them could write the other.
                raise ValueError(f"sources {owner} and {name} have the same secret; give each its own")
            by_value.setdefault(secret.value, secret)
        if len(by_value) > SECRETS_MAX:
            raise ValueError(f"source {name} has {len(by_value)} secrets; at most {SECRETS_MAX} may be active at once")
        unique[name] = tuple(by_value.values())
    return unique


def _check(secret: Secret, source: Configured, *, production: bool) -> None:
    if source.problem:
        raise ValueError(f"source {source.name} has a secret, and can't verify: {source.problem}")
    if production and source.provider.native and len(secret.value) < SECRET_CHARACTERS_MIN:
        least = f"at least {SECRET_CHARACTERS_MIN} characters in production"
        raise ValueError(f"source {source.name}: the secret {secret.key_id} must have {least}")
