"""The settings of an `hmac` source: how its sender signs, and where in its bodies the facts are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from providers import money
from providers.contract import Acknowledgement, Kind, Options
from providers.reading import Path

Paths = tuple[Path, ...]

NO_TOLERANCE: Final = "none"
_TOLERANCE_S_MAX: Final = 604_800
_TEXT_MAX: Final = 1_024
_KINDS_MAX: Final = 200
_PATHS_MAX: Final = 8
_STEPS_MAX: Final = 16
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}").fullmatch
_PLAIN: Final = re.compile(r"[ -~]*").fullmatch
_WORD: Final = re.compile(r"\{([^{}]*)\}")
_WORDS: Final = frozenset({"body", "timestamp", "id", "url"})
_PARTY: Final = frozenset({"timestamp", "id"})

_KEYS: Final = frozenset(
    {
        *("header", "prefix", "algorithm", "encoding", "secret_encoding", "signed", "timestamp_header", "id_header"),
        *("tolerance_s", "acknowledgement", "acknowledgement_type", "fields", "kinds"),
        *("amount_unit", "basis", "currency", "time_format"),
    }
)
_FIELDS: Final = (
    *("kind", "tx_id", "aliases", "event_id", "object_id", "amount", "currency", "sender", "receiver"),
    *("time", "description", "live", "dispute_reason"),
)
_KINDS: Final[Mapping[str, Kind]] = {kind.name.lower(): kind for kind in Kind}
NEEDS_AMOUNT: Final = frozenset({Kind.AUTHORIZED, Kind.CAPTURED, Kind.REFUNDED, Kind.DISPUTE_OPENED})
# Each opens an object of its own: two real refunds of one payment must not add up to one.
OPENS_OBJECT: Final = frozenset({Kind.REFUNDED, Kind.DISPUTE_OPENED})
# Each ends what another event opened, so it has to name it.
ENDS_OBJECT: Final = frozenset({Kind.REFUND_FAILED, Kind.DISPUTE_WON, Kind.DISPUTE_LOST})
DISPUTES: Final = frozenset({Kind.DISPUTE_OPENED, Kind.DISPUTE_WON, Kind.DISPUTE_LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How the sender signs.

    Attributes:
        signed: what is signed: literal bytes, and the words `body`, `timestamp` and `id` as text; the URL is literal.
        tolerance_s: how old the timestamp may be; None for as old as the window allows, 0 for any age.
    """

    header: str
    prefix: str
    algorithm: str
    encoding: str
    secret_encoding: str
    signed: tuple[bytes | str, ...]
    timestamp_header: str
    id_header: str
    tolerance_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where in a body the facts are, and in what form; of several paths the first that leads to something counts."""

    fields: Mapping[str, Paths]
    kinds: Mapping[str, Kind]
    minor_units: bool
    cumulative: bool
    currency: str
    time_format: str
    live: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them."""

    scheme: Scheme
    layout: Layout
    acknowledgement: Acknowledgement


def settings_of(options: Options) -> Settings:
    """Return the settings that a source's options state.

    Raises:
        ValueError: something is missing, unknown or wrong; the text names the setting.
    """
    table = options.table
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"options.{key}: unknown; there are {', '.join(sorted(_KEYS))}")
    return Settings(
        scheme=_scheme(table, options.url),
        layout=_layout(table, options.live),
        acknowledgement=Acknowledgement(
            _text(table, "acknowledgement", "{}", empty=True).encode(),
            _text(table, "acknowledgement_type", "application/json"),
        ),
    )


def _scheme(table: Mapping[str, object], url: str) -> Scheme:
    words, signed = _signed(table, url)
    headers = [_header(table, "header", needed=True)]
    for word in ("timestamp", "id"):
        name = f"{word}_header"
        headers.append(_header(table, name, needed=word in words))
        if table.get(name) is not None and word not in words:
            raise ValueError(f"options.{name}: nothing signs it; put {{{word}}} into options.signed, or leave it out")
    named = [header.lower() for header in headers if header]
    if len(set(named)) < len(named):
        raise ValueError("options.header, timestamp_header, id_header: must be different headers")
    return Scheme(
        header=headers[0],
        prefix=_text(table, "prefix", "", empty=True),
        algorithm=_choice(table, "algorithm", ("sha256", "sha512")),
        encoding=_choice(table, "encoding", ("hex", "base64")),
        secret_encoding=_choice(table, "secret_encoding", ("text", "hex", "base64")),
        signed=signed,
        timestamp_header=headers[1],
        id_header=headers[2],
        tolerance_s=_tolerance(table, dated="timestamp" in words),
    )


def _signed(table: Mapping[str, object], url: str) -> tuple[Sequence[str], tuple[bytes | str, ...]]:
    """Return the words of the template `signed`, and its parts with the URL filled in."""
    template = _text(table, "signed", "{body}")
    # With one group, split alternates between literals and words.
    pieces = _WORD.split(template)
    literals, words = pieces[::2], pieces[1::2]
    if unknown := [word for word in words if word not in _WORDS] or [
        text for text in literals if set(text) & set("{}")
    ]:
        raise ValueError(f"options.signed: {unknown[0]!r} is none of {{body}}, {{timestamp}}, {{id}} and {{url}}")
    if words.count("body") != 1 or len(set(words)) < len(words):
        raise ValueError("options.signed: must hold {body}, and each word once")
    for before, between, after in zip(words, literals[1:-1], words[1:], strict=False):
        if not between and {before, after} == _PARTY:
            # Where one ends and the other begins would be for the sender of a replay to choose.
            raise ValueError("options.signed: needs some text between {id} and {timestamp}")
    if "url" in words and not url:
        raise ValueError("options.signed: {url} needs the source's url")
    parts: list[bytes | str] = []
    for place, piece in enumerate(pieces):
        if place % 2 and piece != "url":
            parts.append(piece)
        elif text := url if place % 2 else piece:
            parts.append(text.encode())
    return words, tuple(parts)


def _tolerance(table: Mapping[str, object], *, dated: bool) -> int | None:
    value = table.get("tolerance_s")
    if value is None:
        return None
    if not dated:
        raise ValueError("options.tolerance_s: there is no {timestamp} in options.signed to be old")
    if value == NO_TOLERANCE:
        return 0
    if type(value) is not int or not 0 < value <= _TOLERANCE_S_MAX:
        raise ValueError(f'options.tolerance_s: must be 1 to {_TOLERANCE_S_MAX} seconds, or "{NO_TOLERANCE}"')
    return value


def _layout(table: Mapping[str, object], live: bool | None) -> Layout:  # noqa: FBT001 - as the options have it
    fields = {name: _paths(value, f"options.fields.{name}") for name, value in _table(table, "fields").items()}
    for name in fields:
        if name not in _FIELDS:
            raise ValueError(f"options.fields.{name}: unknown; there are {', '.join(_FIELDS)}")
    kinds = {name: _kind(value, f'options.kinds."{name}"') for name, value in _table(table, "kinds").items()}
    if not kinds or len(kinds) > _KINDS_MAX:
        raise ValueError(f"options.kinds: must hold 1 to {_KINDS_MAX} types and what they mean")
    currency = _text(table, "currency", "", empty=True)
    if currency and currency not in money.EXPONENTS:
        raise ValueError("options.currency: must be a currency code of ISO 4217 in capitals")
    cumulative = _choice(table, "basis", ("delta", "cumulative")) == "cumulative"
    _check_fields(fields, frozenset(kinds.values()), currency, cumulative=cumulative)
    return Layout(
        fields=fields,
        kinds=kinds,
        minor_units=_choice(table, "amount_unit", ("minor", "major")) == "minor",
        cumulative=cumulative,
        currency=currency,
        time_format=_choice(table, "time_format", ("unix_s", "unix_ms", "iso")),
        live=live,
    )


def _check_fields(fields: Mapping[str, Paths], kinds: frozenset[Kind], currency: str, *, cumulative: bool) -> None:
    """Refuse settings by which some listed kind could never be told, or never be told apart from another."""
    if "kind" not in fields:
        raise ValueError("options.fields.kind: is required: the path to the type that options.kinds lists")
    if "tx_id" not in fields and "aliases" not in fields:
        raise ValueError("options.fields.tx_id: is required, or options.fields.aliases")
    if currency and "currency" in fields:
        raise ValueError("options.currency: is a constant; leave it out, or options.fields.currency")
    if kinds & NEEDS_AMOUNT and "amount" not in fields:
        raise ValueError(f"options.fields.amount: is required for {_names(kinds & NEEDS_AMOUNT)}")
    if "amount" in fields and not currency and "currency" not in fields:
        raise ValueError("options.fields.currency: is required with an amount, or the constant options.currency")
    # A running total of the whole payment needs no telling apart.
    if not cumulative and kinds & OPENS_OBJECT and not fields.keys() & {"event_id", "object_id"}:
        raise ValueError(f"options.fields.event_id: is required for {_names(kinds & OPENS_OBJECT)}, or object_id")
    if kinds & ENDS_OBJECT and "object_id" not in fields:
        raise ValueError(f"options.fields.object_id: is required for {_names(kinds & ENDS_OBJECT)}")


def _names(kinds: frozenset[Kind]) -> str:
    return ", ".join(sorted(kind.name.lower() for kind in kinds))


def _kind(value: object, place: str) -> Kind:
    kind = _KINDS.get(value) if isinstance(value, str) else None
    if kind is None:
        raise ValueError(f"{place}: must be one of {', '.join(_KINDS)}")
    return kind


def _paths(value: object, place: str) -> Paths:
    """Return the paths of one setting: a dotted text, or several; digits alone are a place in an array."""
    texts = value if isinstance(value, list) else [value]
    if not 0 < len(texts) <= _PATHS_MAX:
        raise ValueError(f"{place}: must be 1 to {_PATHS_MAX} paths")
    paths = []
    for text in texts:
        steps = text.split(".") if isinstance(text, str) else []
        if not steps or len(steps) > _STEPS_MAX or not all(0 < len(step) <= _TEXT_MAX for step in steps):
            raise ValueError(f"{place}: must be a path like payment.id, of at most {_STEPS_MAX} steps")
        paths.append(tuple([int(step) if step.isascii() and step.isdigit() else step for step in steps]))
    return tuple(paths)


def _table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = table.get(key)
    if not isinstance(value, Mapping):
        raise ValueError(f"options.{key}: is required, as a table")  # noqa: TRY004 - as the contract says
    return value


def _header(table: Mapping[str, object], key: str, *, needed: bool) -> str:
    value = table.get(key)
    if value is None:
        if needed:
            raise ValueError(f"options.{key}: is required")
        return ""
    if not isinstance(value, str) or _HEADER(value) is None:
        raise ValueError(f"options.{key}: must be the name of a header")
    return value


def _text(table: Mapping[str, object], key: str, default: str, *, empty: bool = False) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or len(value) > _TEXT_MAX or _PLAIN(value) is None or not (value or empty):
        raise ValueError(f"options.{key}: must be printable ASCII text of at most {_TEXT_MAX} characters")
    return value


def _choice(table: Mapping[str, object], key: str, choices: tuple[str, ...]) -> str:
    value = table.get(key, choices[0])
    if value not in choices:
        raise ValueError(f"options.{key}: must be one of {', '.join(choices)}")
    return str(value)
