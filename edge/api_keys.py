"""Who is asking: an API key by its hash, compared in constant time, with the scope that the question needs."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from edge.key_entries import KeyEntry, Scope, digest_of
from mesh.errors import Fault, Kind

MONITORING_KEY_ID: Final = "monitoring-key"
_KEY_CHARACTERS_MAX: Final = 512
_NOBODYS_DIGEST: Final = b"\0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whoever showed a key.

    Attributes:
        key_id: the key's id, for logs and limits.
        scopes: what the key may do.
    """

    key_id: str
    scopes: frozenset[Scope]

    def demand(self, scope: Scope) -> None:
        """Go on only where the key has a scope.

        Raises:
            Fault: it has not.
        """
        if scope not in self.scopes:
            raise Fault(
                kind=Kind.FORBIDDEN,
                reason="API_KEY_INVALID",
                message=f"The key {self.key_id} lacks the scope {scope.value}.",
                metadata={"scope": scope.value},
            )


class ApiKeys:
    """The keys that may read."""

    def __init__(
        self, entries: Sequence[KeyEntry], *, monitoring_key: str = "", clock_s: Callable[[], float] = time.time
    ) -> None:
        """Take keys as configured; `monitoring_key` reads the monitoring pages alone, where it is set."""
        self._entries = {entry.id: entry for entry in entries}
        self._monitoring_digest = digest_of(monitoring_key) if monitoring_key else None
        self._clock_s = clock_s

    def check(self, request: web.Request, scope: Scope) -> Reader:
        """Return who is asking.

        Raises:
            Fault: there is no key, it is not one of ours, its time is over, or it lacks the scope.
        """
        if scope is Scope.MONITORING_READ and (given := request.headers.get("X-Monitoring-Key", "")):
            return self._monitor(given)
        given = request.headers.get("X-API-Key", "")
        if not given:
            scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
            given = token if scheme.lower() == "bearer" else ""
        reader = self._reader(given[:_KEY_CHARACTERS_MAX])
        reader.demand(scope)
        return reader

    def _reader(self, given: str) -> Reader:
        key_id, _, secret = given.partition(".")
        entry = self._entries.get(key_id)
        # Unknown ids cost the same comparison as known ones.
        matches = hmac.compare_digest(digest_of(secret), entry.digest if entry is not None else _NOBODYS_DIGEST)
        if entry is None or not matches:
            raise _invalid("Send a valid API key in X-API-Key, or as a Bearer token.")
        # Only whoever knows the secret learns that its time is over.
        if entry.ends_at_s is not None and self._clock_s() >= entry.ends_at_s:
            raise _invalid(f"The time of the key {key_id} is over.")
        return Reader(key_id=key_id, scopes=entry.scopes)

    def _monitor(self, given: str) -> Reader:
        digest = self._monitoring_digest
        matches = hmac.compare_digest(digest_of(given[:_KEY_CHARACTERS_MAX]), digest or _NOBODYS_DIGEST)
        if digest is None or not matches:
            raise _invalid("X-Monitoring-Key is not valid.")
        return Reader(key_id=MONITORING_KEY_ID, scopes=frozenset({Scope.MONITORING_READ}))


def _invalid(message: str) -> Fault:
    return Fault(kind=Kind.UNAUTHENTICATED, reason="API_KEY_INVALID", message=message)
