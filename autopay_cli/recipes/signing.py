"""Signs requests as a vectors file's recipe says, independently of the providers under test."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from multidict import CIMultiDict, CIMultiDictProxy

NOW_S: Final = 1_700_000_000
MESSAGE_ID: Final = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
OTHER_ALGORITHM: Final = {"sha256": "sha1", "sha512": "sha256", "sha1": "md5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as a provider sends it; `chain` is what its certificate's URL answers, where it names one."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    chain: bytes = b""

    @property
    def lookup(self) -> CIMultiDictProxy[str]:
        """The headers as aiohttp has them."""
        return CIMultiDictProxy(CIMultiDict(self.headers))

    def value(self, name: str) -> str:
        """Return a header's one value."""
        return self.lookup[name]

    def having(self, name: str, *values: str) -> Request:
        """Return it with these values of a header, none for no such header."""
        others = [(key, value) for key, value in self.headers if key.lower() != name.lower()]
        return replace(self, headers=(*others, *((name, value) for value in values)))


class Recipe(Protocol):
    """How one provider signs."""

    @property
    def dated(self) -> bool:
        """Whether a time is signed, so that a replay window holds."""

    @property
    def skew_s(self) -> float:
        """How far ahead a signed time may be."""

    @property
    def headers(self) -> Sequence[str]:
        """The names of the headers that a signature needs."""

    @property
    def signature_headers(self) -> Sequence[str]:
        """Those that hold signatures."""

    @property
    def signs_bytes(self) -> bool:
        """Whether every byte of the body is signed."""

    @property
    def options(self) -> Mapping[str, object]:
        """What the provider's table needs that only the recipe knows."""

    def sign(self, body: bytes, secret: str, *, at: int | str = NOW_S) -> Request:
        """Return the request signed at a time: Unix seconds, or any text in its place."""

    def sign_otherwise(self, body: bytes, secret: str, *, at: int | str = NOW_S) -> Request:
        """Return the request signed with another algorithm than the provider's."""

    def sign_twice(self, body: bytes, first: str, second: str) -> Request | None:
        """Return the request with a signature by each of two secrets; None where there is place for one only."""

    def flips(self, request: Request) -> int:
        """Return how many bits are signed or signature."""

    def flip(self, request: Request, bit: int) -> Request | None:
        """Return the request with one of them flipped; None where that means the same signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HmacRecipe:
    """An HMAC in headers, over a text that may hold the body; what the templates may hold is in README.md."""

    content: str
    templates: Mapping[str, str]
    algorithm: str = "sha256"
    key: str = "utf8"
    encoding: str = "hex"
    another: str = ""
    url: str = ""
    dated: bool = False
    skew_s: float = 5
    any_case: bool = False
    signs_bytes: bool = True
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def headers(self) -> Sequence[str]:
        """The names of all headers."""
        return tuple(self.templates)

    @property
    def signature_headers(self) -> Sequence[str]:
        """The names of those that hold the signature."""
        return tuple(name for name, template in self.templates.items() if "{signature}" in template)

    def sign(self, body: bytes, secret: str, *, at: int | str = NOW_S) -> Request:
        """Return the request with its headers."""
        return self._signed(body, secret, at, self.algorithm)

    def sign_otherwise(self, body: bytes, secret: str, *, at: int | str = NOW_S) -> Request:
        """Return the request signed with another hash."""
        return self._signed(body, secret, at, OTHER_ALGORITHM[self.algorithm])

    def sign_twice(self, body: bytes, first: str, second: str) -> Request | None:
        """Return the request with a list of two signatures, where the header may hold one."""
        if not self.another:
            return None
        request, other = self.sign(body, first), self._words(body, second, NOW_S, self.algorithm)
        (name,) = self.signature_headers
        return request.having(name, request.value(name) + substituted(self.another, other))

    def flips(self, request: Request) -> int:
        """Return the bits of the body and of the headers."""
        return 8 * (len(request.body) + sum(len(request.value(name)) for name in self.headers))

    def flip(self, request: Request, bit: int) -> Request | None:
        """Flip a bit of the body, or of a header's character."""
        place, mask = bit // 8, 1 << bit % 8
        if place < len(request.body):
            return replace(request, body=flipped(request.body, place, mask))
        place -= len(request.body)
        for name in self.headers:
            value = request.value(name)
            if place < len(value):
                if self.any_case and value[place].isalpha() and mask == ord("a") ^ ord("A"):
                    return None
                return request.having(name, value[:place] + chr(ord(value[place]) ^ mask) + value[place + 1 :])
            place -= len(value)
        raise IndexError(bit)

    def _signed(self, body: bytes, secret: str, at: int | str, algorithm: str) -> Request:
        words = self._words(body, secret, at, algorithm)
        headers = [(name, substituted(template, words)) for name, template in self.templates.items()]
        return Request(body=body, headers=tuple(headers))

    def _words(self, body: bytes, secret: str, at: int | str, algorithm: str) -> Mapping[str, str]:
        words = {"{timestamp}": str(at), "{id}": MESSAGE_ID, "{url}": self.url}
        before, found, after = substituted(self.content, words).partition("{body}")
        signed = before.encode() + (body if found else b"") + after.encode()
        return {**words, "{signature}": hmac_of(secret, self.key, signed, algorithm, self.encoding)}


def substituted(template: str, words: Mapping[str, str]) -> str:
    """Return a template with its words filled in; `{body}` stays."""
    for word, value in words.items():
        template = template.replace(word, value)
    return template


def key_of(secret: str, form: str) -> bytes:
    """Return the key that a secret stands for."""
    if form == "hex":
        return bytes.fromhex(secret)
    if form == "base64":
        return base64.b64decode(secret.removeprefix("whsec_"))
    return secret.encode()


def hmac_of(secret: str, key: str, signed: bytes, algorithm: str, encoding: str) -> str:
    """Return an HMAC as text."""
    digest = hmac.new(key_of(secret, key), signed, algorithm).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def flipped(data: bytes, place: int, mask: int) -> bytes:
    """Return the data with one bit flipped."""
    return data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
