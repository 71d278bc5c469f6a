"""The sources: what the sources file says, and each provider's own source where it says nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from providers.contract import Options, Provider

SOURCES_MAX: Final = 200
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII).fullmatch
_KEYS: Final = frozenset({"provider", "url", "mode", "options"})
_MODES: Final[Mapping[object, bool | None]] = {None: None, "live": True, "test": False}
# What the native source is called in its path, so no other source can be.
_TAKEN: Final = {"payments": "autopay"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """One source as it is configured.

    Attributes:
        name: the namespace of its payments' ids, [a-z0-9_-].
        provider: its provider, with the source's options.
        options: those.
        declared: whether the file names it.
        problem: why it can't verify, where it is not declared and its provider needs options; else empty.
    """

    name: str
    provider: Provider
    options: Options
    declared: bool = False
    problem: str = ""


def path_of(name: str) -> str:
    """Return the path a source's webhooks are sent to."""
    return "/webhooks/payments" if name == "autopay" else f"/webhooks/{name}"


def load(
    text: str,
    providers: Mapping[str, Provider],
    *,
    public_url: str = "",
    enforced: Mapping[str, Mapping[str, object]] | None = None,
) -> Mapping[str, Configured]:
    """Return every source by name: those of the file, then one for each provider that is named like it.

    Args:
        text: the sources file, TOML; empty where there is none.
        providers: those that there are, by name.
        public_url: where senders reach the edge; with a source's path it is the url of a source that states none.
        enforced: options that stand whatever the file says, by provider.

    Raises:
        ValueError: the file is wrong; the text names the line, or the field.
    """
    tables = _tables(text)
    sources: dict[str, Configured] = {}
    for name, table in tables.items():
        place = f"sources.{name}"
        provider = _provider(name, table, providers, place)
        options = _options(name, table, public_url, (enforced or {}).get(provider.name, {}), place)
        try:
            sources[name] = Configured(name=name, provider=provider.configured(options), options=options, declared=True)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    for source in _undeclared(providers, public_url, enforced or {}):
        sources.setdefault(source.name, source)
    _check_variables(sources)
    return sources


def variable_of(name: str) -> str:
    """Return what a source is called in the name of an environment variable."""
    return name.upper().replace("-", "_")


def _tables(text: str) -> Mapping[str, Mapping[str, object]]:
    try:
        root = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None
    for key in root:
        if key != "sources":
            raise ValueError(f"{key}: unknown; the file holds tables [sources.NAME]")
    tables = root.get("sources", {})
    if not isinstance(tables, dict):
        raise ValueError("sources: must be tables [sources.NAME]")  # noqa: TRY004 - as the docstring says
    if len(tables) > SOURCES_MAX:
        raise ValueError(f"sources: at most {SOURCES_MAX}")
    for name, table in tables.items():
        _check_table(name, table)
    return tables


def _check_table(name: str, table: object) -> None:
    place = f"sources.{name}"
    if _NAME(name) is None:
        raise ValueError(f"{place}: a name is 1 to 40 of a-z, 0-9, _ and -, the first no _ or -")
    if name in _TAKEN:
        raise ValueError(f"{place}: the name is taken; /webhooks/{name} is the source {_TAKEN[name]}")
    if not isinstance(table, dict):
        raise ValueError(f"{place}: must be a table [{place}]")  # noqa: TRY004 - as the docstring says
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"{place}.{key}: unknown; there are {', '.join(sorted(_KEYS))}")


def _provider(name: str, table: Mapping[str, object], providers: Mapping[str, Provider], place: str) -> Provider:
    stated = table.get("provider")
    if stated is None:
        raise ValueError(f"{place}.provider: is required")
    provider = providers.get(stated) if isinstance(stated, str) else None
    if provider is None:
        raise ValueError(f"{place}.provider: must be one of {', '.join(sorted(providers))}")
    if name in providers and name != provider.name:
        raise ValueError(f"{place}.provider: a source that is named like a provider is of that provider")
    return provider


def _options(
    name: str, table: Mapping[str, object], public_url: str, enforced: Mapping[str, object], place: str
) -> Options:
    url, mode, own = table.get("url", ""), table.get("mode"), table.get("options", {})
    if not isinstance(url, str) or (url and not url.startswith(("https://", "http://"))):
        raise ValueError(f"{place}.url: must be the https:// URL that the provider sends to")
    if (mode is not None and not isinstance(mode, str)) or mode not in _MODES:
        raise ValueError(f'{place}.mode: must be "live" or "test"')
    if not isinstance(own, dict):
        raise ValueError(f"{place}.options: must be a table [{place}.options]")  # noqa: TRY004 - as the docstring says
    return Options(url=url or _url(name, public_url), live=_MODES[mode], table={**own, **enforced})


def _undeclared(
    providers: Mapping[str, Provider], public_url: str, enforced: Mapping[str, Mapping[str, object]]
) -> Iterator[Configured]:
    for name, provider in providers.items():
        options = Options(url=_url(name, public_url), table=enforced.get(name, {}))
        try:
            yield Configured(name=name, provider=provider.configured(options), options=options)
        except ValueError as error:
            yield Configured(name=name, provider=provider, options=options, problem=str(error))


def _url(name: str, public_url: str) -> str:
    return public_url.rstrip("/") + path_of(name) if public_url else ""


def _check_variables(sources: Mapping[str, Configured]) -> None:
    owners: dict[str, str] = {}
    for name in sources:
        if variable_of(name).endswith("_FILE"):
            raise ValueError(f"sources.{name}: WEBHOOK_SECRET_{variable_of(name)} reads as a file of secrets")
        other = owners.setdefault(variable_of(name), name)
        if other != name:
            raise ValueError(
                f"sources.{name}: its secrets' variable WEBHOOK_SECRET_{variable_of(name)} is that of {other}, too"
            )
