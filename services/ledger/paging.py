"""Page tokens: where the next page starts, bound to the query that made them, sealed against change."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from mesh.errors import Fault, FieldViolation, Kind
from services.ledger.read_ports import RowKey

_VERSION: Final = b"\x01"
_SEAL_BYTES: Final = 16
_TIME_BYTES: Final = 8
# A payment's id is at most 141 characters of one byte each; the rest is version, time and seal.
_token: Final = re.compile(r"[A-Za-z0-9_-]{1,400}", re.ASCII).fullmatch


class PageTokens:
    """Issues and reads page tokens under one key, which every replica has to share."""

    def __init__(self, key: bytes) -> None:
        """Seal with a key of at least 16 bytes.

        Raises:
            ValueError: the key is shorter.
        """
        if len(key) < _SEAL_BYTES:
            raise ValueError(f"the key of page tokens needs at least {_SEAL_BYTES} bytes")
        self._key = key

    def issue(self, query: Sequence[object], last: RowKey) -> str:
        """Return the token of the page behind `last`, for the same query only."""
        place = _VERSION + last.recorded_at_ms.to_bytes(_TIME_BYTES, "big", signed=True) + last.id.encode()
        return base64.urlsafe_b64encode(self._seal(query, place) + place).rstrip(b"=").decode("ascii")

    def read(self, query: Sequence[object], token: str) -> RowKey:
        """Return the row that the page starts behind.

        Raises:
            Fault: INVALID with reason TOKEN_INVALID: malformed, altered, or of another query.
        """
        seal, place = _split(token)
        if not hmac.compare_digest(seal, self._seal(query, place)):
            raise _token_invalid("was altered, or belongs to another query; keep every other field as it was")
        recorded_at_ms = int.from_bytes(place[1 : 1 + _TIME_BYTES], "big", signed=True)
        return RowKey(recorded_at_ms=recorded_at_ms, id=place[1 + _TIME_BYTES :].decode())

    def _seal(self, query: Sequence[object], place: bytes) -> bytes:
        digest = hashlib.sha256(repr(tuple(query)).encode("utf-8", "surrogatepass")).digest()
        return hmac.digest(self._key, digest + place, "sha256")[:_SEAL_BYTES]


def _split(token: str) -> tuple[bytes, bytes]:
    if not _token(token):
        raise _token_invalid("is malformed")
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except binascii.Error:
        raise _token_invalid("is malformed") from None
    if len(raw) <= _SEAL_BYTES + 1 + _TIME_BYTES or raw[_SEAL_BYTES : _SEAL_BYTES + 1] != _VERSION:
        raise _token_invalid("is malformed")
    return raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]


def _token_invalid(what: str) -> Fault:
    wrong = FieldViolation(field="page_token", description=what)
    return Fault(kind=Kind.INVALID, reason="TOKEN_INVALID", message=f"page_token: {what}", fields=(wrong,))
