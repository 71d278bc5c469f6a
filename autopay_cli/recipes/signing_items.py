"""Signs bodies of items that are each signed over some of their fields, as Adyen's are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autopay_cli.recipes.signing import NOW_S, OTHER_ALGORITHM, Request, hmac_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsRecipe:
    """An HMAC-SHA256 per item, put into the item."""

    items: Sequence[str]
    fields: Sequence[Sequence[str]]
    into: Sequence[str]
    joined_by: str
    key: str
    encoding: str
    dated: bool = False
    skew_s: float = 5
    headers: Sequence[str] = ()
    signature_headers: Sequence[str] = ()
    signs_bytes: bool = False
    options: Mapping[str, object] = field(default_factory=dict)

    def sign(self, body: bytes, secret: str, *, at: int | str = NOW_S) -> Request:
        """Return the request with every item signed; a body that has none is sent as it is."""
        del at
        return self._signed(body, secret, "sha256")

    def sign_otherwise(self, body: bytes, secret: str, *, at: int | str = NOW_S) -> Request:
        """Return the request signed with another hash."""
        del at
        return self._signed(body, secret, OTHER_ALGORITHM["sha256"])

    def sign_twice(self, body: bytes, first: str, second: str) -> None:
        """An item has one signature."""

    def flips(self, request: Request) -> int:
        """Return the bits of the signed fields and the signatures."""
        return 8 * sum(len(str(holder[name])) for holder, name in self._signed_places(json.loads(request.body)))

    def flip(self, request: Request, bit: int) -> Request:
        """Flip a bit of a character of a field, which then is text whatever it was."""
        root, place = json.loads(request.body), bit // 8
        for holder, name in self._signed_places(root):
            text = str(holder[name])
            if place < len(text):
                holder[name] = text[:place] + chr(ord(text[place]) ^ 1 << bit % 8) + text[place + 1 :]
                return Request(body=_sent(root), headers=request.headers)
            place -= len(text)
        raise IndexError(bit)

    def _signed(self, body: bytes, secret: str, algorithm: str) -> Request:
        try:
            root = json.loads(body)
        except (ValueError, RecursionError):
            return Request(body=body, headers=())
        for item in _found(root, self.items):
            texts = [_text(_at(item, path)) for path in self.fields]
            signed = self.joined_by.join(texts).encode("utf-8", "surrogatepass")
            holder = item
            for step in self.into[:-1]:
                if not isinstance(holder.get(step), dict):
                    holder[step] = {}
                holder = holder[step]
            holder[self.into[-1]] = hmac_of(secret, self.key, signed, algorithm, self.encoding)
        return Request(body=_sent(root), headers=())

    def _signed_places(self, root: Any) -> Iterator[tuple[Any, str]]:
        for item in _found(root, self.items):
            for path in (*self.fields, self.into):
                holder = _at(item, path[:-1])
                if isinstance(holder, dict) and path[-1] in holder:
                    yield holder, path[-1]


def _found(value: Any, path: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every object at a path in which `*` is every item of a list."""
    if not path:
        if isinstance(value, dict):
            yield value
    elif path[0] == "*":
        for each in value if isinstance(value, list) else ():
            yield from _found(each, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _found(value[path[0]], path[1:])


def _at(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    """A field as it is signed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _sent(root: Any) -> bytes:
    return json.dumps(root, separators=(",", ":")).encode()
