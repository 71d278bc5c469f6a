"""What a sender of `hmac` sends and how it signs, made of a source's options, as `docs/providers.md` has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from autopay_cli.recipes.samples import Message, Sample
from autopay_cli.recipes.signing import NOW_S, HmacRecipe

_KEYS: Final = {"text": "utf8", "hex": "hex", "base64": "base64"}
# Money that came in says most of a receiver; where no type means that, any will do.
_PREFERRED: Final = ("captured", "authorized")
_DIGITS: Final = re.compile(r"[0-9]+").fullmatch
_TX_ID, _EVENT_ID, _OBJECT_ID, _ALIAS = "payment-1001", "event-100001", "object-10001", "order-100001"


def sample_of(name: str, options: Mapping[str, Any], *, url: str, live: bool | None) -> Sample:
    """Return an ordinary delivery to a source of `hmac`, and the recipe that signs it.

    Args:
        name: of the source.
        options: its options, which `providers.hmac` has accepted.
        url: where it is sent to, as it is signed.
        live: whether it says that it is of a live payment; None where that is all the same.
    """
    message = Message(content=_content(options, live=live is not False), unsigned={})
    return Sample(
        name=name,
        provider="hmac",
        recipe=_recipe(options, url),
        message=message,
        life=[message],
        ids=frozenset((_TX_ID, _EVENT_ID, _OBJECT_ID, _ALIAS)),
        options={"url": url, "live": live, "table": options},
    )


def _recipe(options: Mapping[str, Any], url: str) -> HmacRecipe:
    templates = {options["header"]: options.get("prefix", "") + "{signature}"}
    for word in ("timestamp", "id"):
        if header := options.get(f"{word}_header"):
            templates[header] = f"{{{word}}}"
    return HmacRecipe(
        content=options.get("signed", "{body}"),
        templates=templates,
        algorithm=options.get("algorithm", "sha256"),
        encoding=options.get("encoding", "hex"),
        key=_KEYS[options.get("secret_encoding", "text")],
        url=url,
        # A time that may be of any age is signed, and stops no replay.
        dated="timestamp_header" in options and options.get("tolerance_s") != "none",
        any_case=options.get("encoding", "hex") == "hex",
    )


def _content(options: Mapping[str, Any], *, live: bool) -> Any:
    kinds: Mapping[str, str] = options["kinds"]
    meant = next((kind for kind in _PREFERRED if kind in kinds.values()), next(iter(kinds.values())))
    at = datetime.fromtimestamp(NOW_S, UTC)
    times = {"unix_s": NOW_S, "unix_ms": NOW_S * 1000, "iso": at.isoformat().replace("+00:00", "Z")}
    values = {
        "kind": next(word for word, kind in kinds.items() if kind == meant),
        "tx_id": _TX_ID,
        "aliases": _ALIAS,
        "event_id": _EVENT_ID,
        "object_id": _OBJECT_ID,
        "amount": 1000,
        "currency": "EUR",
        "sender": "payer-1",
        "receiver": "shop-1",
        "time": times[options.get("time_format", "unix_s")],
        "description": "A payment of a test",
        "live": live,
    }
    content: dict[str, Any] = {}
    for field, paths in options["fields"].items():
        path = paths if isinstance(paths, str) else paths[0]
        _put(content, path.split("."), values[field])
    return content


def _put(holder: Any, steps: Sequence[str], value: object) -> None:
    """Put a value where a path leads, with whatever is missing on the way."""
    step, rest = steps[0], steps[1:]
    place: Any = int(step) if isinstance(holder, list) else step
    if isinstance(holder, list):
        holder.extend({} for _ in range(place + 1 - len(holder)))
    if not rest:
        holder[place] = value
        return
    inner = holder[place] if isinstance(holder, list) else holder.get(place)
    if not isinstance(inner, dict | list) or (not inner and _DIGITS(rest[0])):
        inner = [] if _DIGITS(rest[0]) else {}
        holder[place] = inner
    _put(inner, rest, value)
