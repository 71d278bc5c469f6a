"""The vectors files: one per provider, in the form that README.md beside them describes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from multidict import CIMultiDictProxy

from autopay_cli.recipes.samples import content_of, contents_of, directory
from autopay_cli.recipes.schemes import recipe_of
from autopay_cli.recipes.signing import Recipe, Request
from providers import money, registry
from providers.contract import Basis, DisputeReason, Event, Kind, Options, Provider, Secret, Verified, Window

DIRECTORY: Final = directory()
WINDOW: Final = Window()
_KEYS: Final = frozenset(
    {"provider", "options", "secrets", "signing", "published", "deliveries", "requests", "sequences", "note"}
)
_ENUMS: Final[Mapping[str, Any]] = {"kind": Kind, "basis": Basis, "dispute_reason": DisputeReason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A request that the provider itself published: it verifies as it stands."""

    name: str
    secret: str
    now_s: int
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A body as the provider sends it, and what it means: events, or the fields that are wrong."""

    name: str
    body: bytes
    events: tuple[Event, ...]
    unprocessable: tuple[str, ...]
    unsigned: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A signed delivery with some of its headers written otherwise; `refused` is the reason, empty for none."""

    name: str
    delivery: str
    headers: Mapping[str, Sequence[str]]
    refused: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Deliveries of one payment, and how it stands after all of them, in whatever order they came."""

    name: str
    deliveries: tuple[str, ...]
    ends: Mapping[str, Any]


class Secrets(NamedTuple):
    """The secret in use, and the one before it, which still verifies."""

    current: Secret
    previous: Secret

    @property
    def foreign(self) -> Secret:
        """One that a recipe can sign with and that is not ours: that of the file, changed in one character."""
        value = self.current.value
        place = len(value) // 2
        return Secret("foreign", value[:place] + ("B" if value[place] != "B" else "C") + value[place + 1 :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """One file."""

    name: str
    provider: Provider
    secrets: Secrets
    recipe: Recipe
    published: tuple[Published, ...]
    deliveries: Mapping[str, Delivery]
    variations: tuple[Variation, ...]
    sequences: tuple[Course, ...] = field(default=())

    @property
    def first(self) -> Delivery:
        """The delivery that stands for all where the content means nothing."""
        return next(iter(self.deliveries.values()))

    def signed(self, delivery: Delivery) -> Request:
        """Return the delivery as it is sent, its unsigned headers included."""
        request = self.recipe.sign(delivery.body, self.secrets.current.value)
        for name, value in delivery.unsigned:
            request = request.having(name, value)
        return request


def names() -> Sequence[str]:
    """Return the name of every vectors file."""
    return sorted(path.stem for path in DIRECTORY.glob("*.json"))


@cache
def load(name: str) -> Vectors:
    """Return a vectors file.

    Raises:
        ValueError: it has a key that there is not.
    """
    table = json.loads((DIRECTORY / f"{name}.json").read_text())
    if unknown := table.keys() - _KEYS:
        raise ValueError(f"{name}.json: unknown keys {sorted(unknown)}")
    options = table.get("options", {})
    recipe = recipe_of(table["signing"], url=options.get("url", ""))
    provider = registry.load()[table.get("provider", name)].configured(
        Options(
            url=options.get("url", ""),
            live=options.get("live"),
            table={**options.get("table", {}), **recipe.options},
        )
    )
    current, previous = table["secrets"]
    return Vectors(
        name=name,
        provider=provider,
        secrets=Secrets(Secret("current", current), Secret("previous", previous)),
        recipe=recipe,
        published=tuple(_published(each) for each in table.get("published", ())),
        deliveries=_deliveries(table["deliveries"]),
        variations=tuple(_variation(each) for each in table.get("requests", ())),
        sequences=tuple(
            Course(name=each["name"], deliveries=tuple(each["deliveries"]), ends=each["ends"])
            for each in table.get("sequences", ())
        ),
    )


def kept_headers(provider: Provider, headers: CIMultiDictProxy[str]) -> Mapping[str, bytes]:
    """Return the headers that the edge passes on with a delivery, as ingest gives them to `map`."""
    return {name: headers[name].encode("utf-8", "surrogateescape") for name in provider.kept_headers if name in headers}


def mapped(provider: Provider, verified: Verified, headers: CIMultiDictProxy[str]) -> Sequence[Event]:
    """Map a verified delivery as ingest does."""
    return provider.map(verified.body, kept_headers(provider, headers))


def _published(table: Mapping[str, Any]) -> Published:
    return Published(
        name=table["name"],
        secret=table["secret"],
        now_s=table.get("now_s", 0),
        request=Request(body=content_of(table["body"]), headers=tuple(table.get("headers", {}).items())),
    )


def _deliveries(tables: Sequence[Mapping[str, Any]]) -> Mapping[str, Delivery]:
    contents = contents_of(tables)
    return {
        table["name"]: Delivery(
            name=table["name"],
            body=content_of(contents[table["name"]]),
            events=tuple(_event(each) for each in table.get("events", ())),
            unprocessable=tuple(table.get("unprocessable", ())),
            unsigned=tuple(table.get("headers", {}).items()),
        )
        for table in tables
    }


def _event(table: Mapping[str, Any]) -> Event:
    fields: dict[str, Any] = dict(table)
    for name, enumeration in _ENUMS.items():
        if name in fields:
            fields[name] = enumeration[fields[name].upper()]
    fields["aliases"] = tuple(fields.get("aliases", ()))
    if "currency" in fields:
        fields.setdefault("exponent", money.EXPONENTS[fields["currency"]])
    # What is signed has a time; a file says otherwise where it is not.
    fields.setdefault("event_time_signed", "event_time_ms" in fields)
    return Event(**fields)


def _variation(table: Mapping[str, Any]) -> Variation:
    headers = {
        name: () if value is None else (value,) if isinstance(value, str) else tuple(value)
        for name, value in table["headers"].items()
    }
    return Variation(name=table["name"], delivery=table["delivery"], headers=headers, refused=table.get("refused", ""))
