"""API keys as they are configured: `id.secret` in development, `id:sha256:scopes:last-day` anywhere."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

_VARIABLE: Final = "EDGE_API_KEYS"
_SECRET_BYTES: Final = 32
# 22 characters of URL-safe base64 hold 128 bits.
_SECRET_CHARACTERS_MIN: Final = 22
_PARTS: Final = (3, 4)
_id = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII).fullmatch
_digest = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch


class Scope(StrEnum):
    """What a key may do."""

    TRANSACTIONS_READ = "transactions:read"
    TRANSACTIONS_FULL = "transactions:full"
    REPORTS_READ = "reports:read"
    MONITORING_READ = "monitoring:read"


EVERYTHING: Final = frozenset(Scope)
# Colons separate an entry's parts, so within it a scope is written with a dash.
_SCOPES: Final = {scope.value.replace(":", "-"): scope for scope in Scope}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """One key.

    Attributes:
        id: names the key in logs and limits.
        digest: SHA-256 of the secret.
        scopes: what it may do.
        ends_at_s: from when on it is refused, seconds since the Unix epoch; None is never.
        hashed: False where the setting holds the secret itself.
    """

    id: str
    digest: bytes
    scopes: frozenset[Scope]
    ends_at_s: float | None
    hashed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made.

    Attributes:
        key: what the reader sends; nothing keeps it.
        entry: what the edge is configured with.
    """

    key: str
    entry: str


def digest_of(secret: str) -> bytes:
    """Return what is kept of a secret. It is random and long, so a fast hash is as good as a slow one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def parse(entries: Iterable[str]) -> Sequence[KeyEntry]:
    """Return the keys of a setting's entries.

    Raises:
        ValueError: an entry is malformed or an id occurs twice; no secret is shown.
    """
    parsed = [_entry(text) for text in entries]
    ids = [entry.id for entry in parsed]
    if twice := next((each for each in ids if ids.count(each) > 1), None):
        raise ValueError(f"{_VARIABLE}: the id {twice} occurs twice; give each key an id of its own")
    return parsed


def new(key_id: str, scopes: Iterable[Scope], *, last_day: date | None = None) -> NewKey:
    """Make a key.

    Raises:
        ValueError: the id is not one, or there is no scope.
    """
    granted = sorted({scope.value.replace(":", "-") for scope in scopes})
    if not _id(key_id):
        raise ValueError("an id is 1 to 40 of A-Z, a-z, 0-9, _ and -")
    if not granted:
        raise ValueError("a key needs a scope")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    parts = [key_id, digest_of(secret).hex(), "+".join(granted), *([last_day.isoformat()] if last_day else [])]
    return NewKey(key=f"{key_id}.{secret}", entry=":".join(parts))


def _entry(text: str) -> KeyEntry:
    key_id, dot, secret = text.partition(".")
    if dot and _id(key_id):
        return _plain(key_id, secret)
    parts = text.split(":")
    if len(parts) not in _PARTS or not _id(parts[0]) or not _digest(parts[1]):
        raise ValueError(
            f"{_VARIABLE}: each key must be id.secret, or id:sha256:scope+scope:last-day as `autopay keys new` prints; "
            "an id is 1 to 40 of A-Z, a-z, 0-9, _ and -"
        )
    key_id, digest, scopes, *rest = parts
    return KeyEntry(
        id=key_id,
        digest=bytes.fromhex(digest),
        scopes=_scopes(key_id, scopes),
        ends_at_s=_end_of(key_id, rest[0]) if rest else None,
        hashed=True,
    )


def _plain(key_id: str, secret: str) -> KeyEntry:
    if len(secret) < _SECRET_CHARACTERS_MIN:
        raise ValueError(
            f"{_VARIABLE}: the secret of key {key_id} must have at least {_SECRET_CHARACTERS_MIN} characters"
        )
    return KeyEntry(id=key_id, digest=digest_of(secret), scopes=EVERYTHING, ends_at_s=None, hashed=False)


def _scopes(key_id: str, text: str) -> frozenset[Scope]:
    names = text.split("+")
    if unknown := [name for name in names if name not in _SCOPES]:
        known = ", ".join(_SCOPES)
        raise ValueError(f"{_VARIABLE}: key {key_id}: {unknown[0] or 'an empty scope'} is none of {known}")
    return frozenset(_SCOPES[name] for name in names)


def _end_of(key_id: str, day: str) -> float:
    """Return when a day ends, UTC."""
    try:
        last = date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"{_VARIABLE}: key {key_id}: its last day must be like 2027-01-31") from None
    return (datetime.combine(last, time.min, UTC) + timedelta(days=1)).timestamp()
