"""The sources as the edge would start with them here and now, and what is sent to one of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopay_cli import environment
from autopay_cli.failure import Failure

if TYPE_CHECKING:
    from autopay_cli.recipes.samples import Sample
    from edge.settings import EdgeSettings
    from edge.sources import Keyring, Keys
    from providers.contract import Provider
    from providers.sources import Configured


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Whose webhooks are sent, and where to.

    Attributes:
        name: the source's, or the provider's, as a person calls it.
        path: the source's path at our own edge.
        provider: configured for it, as far as is known.
        sample: what it sends and how it signs.
        secrets: those that are known to verify, the newest first; none where nobody has said.
    """

    name: str
    path: str
    provider: Provider
    sample: Sample
    secrets: Sequence[str]


def load() -> tuple[EdgeSettings, dict[str, Configured], Keyring]:
    """Return the settings, every source by name, and what reads their secrets.

    Raises:
        Failure: the edge would not start with this.
    """
    from edge import sources
    from edge.settings import EdgeSettings
    from providers import registry

    # This process's own environment is left as it is for whoever runs several commands in one.
    before = dict(os.environ)
    os.environ.update(environment.load())
    try:
        settings = EdgeSettings.load()
        known = dict(sources.configured(settings, registry.load()))
        return settings, known, sources.Keyring(settings, known)
    except ValueError as error:
        raise Failure(f"{error}.") from error
    finally:
        os.environ.clear()
        os.environ.update(before)


def keys_of(keyring: Keyring) -> Keys:
    """Return the secrets of all sources.

    Raises:
        Failure: they can't be read.
    """
    try:
        return keyring.read()
    except ValueError as error:
        raise Failure(f"{error}.") from error


def of_source(name: str) -> Party:
    """Return who sends to a source that is configured here, with its secrets.

    Raises:
        Failure: there is no such source, or the edge would not start with what is configured.
    """
    _, known, keyring = load()
    if name not in known:
        raise Failure(f"--source {name!r} is not known; there are {', '.join(sorted(known))}.")
    secrets = keys_of(keyring).secrets.get(name, ())
    return _party(known[name], [secret.value for secret in secrets])


def of_provider(name: str, *, url: str = "") -> Party:
    """Return who sends to a provider's own source, or to anybody's; `url` is what it signs, where it signs that.

    Raises:
        Failure: there is no such provider.
    """
    from autopay_cli.recipes import samples
    from providers import registry
    from providers.sources import path_of

    try:
        sample = samples.load(name, url=url)
    except KeyError:
        raise Failure(f"--provider {name!r} is not known; there are {', '.join(samples.names())}.") from None
    return Party(name=name, path=path_of(name), provider=registry.load()[sample.provider], sample=sample, secrets=())


def secret_of(name: str) -> str:
    """Return the first of the secrets that the environment, or .env, gives to a provider's own source.

    Raises:
        Failure: it gives none.
    """
    variable = f"WEBHOOK_SECRET_{name.upper().replace('-', '_')}"
    secret = environment.value_of(variable, environment.load()).split(",")[0].strip()
    if not secret:
        raise Failure(f"no secret to sign with: give --secret or {variable}.")
    return secret


def sample_of(source: Configured) -> Sample:
    """Return what is sent to a configured source: of `hmac`, what its own options describe.

    Raises:
        Failure: its provider has no sample.
    """
    from autopay_cli.recipes import described, samples

    options = source.options
    if source.provider.name == "hmac" and source.declared:
        return described.sample_of(source.name, options.table, url=options.url, live=options.live)
    try:
        return samples.load(source.provider.name, url=options.url)
    except KeyError:
        raise Failure(f"nothing is known of what {source.provider.name} sends.") from None


def _party(source: Configured, secrets: Sequence[str]) -> Party:
    from providers.sources import path_of

    return Party(
        name=source.name,
        path=path_of(source.name),
        provider=source.provider,
        sample=sample_of(source),
        secrets=secrets,
    )
