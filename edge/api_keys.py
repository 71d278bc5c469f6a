"""API keys `id.secret`: only their SHA-256 is kept, and they are compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs, web

from mesh.errors import Fault, Kind

# 22 characters of URL-safe base64 hold 128 bits.
_SECRET_CHARACTERS_MIN: Final = 22


class ApiKeys:
    """The keys that may read."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys as configured.

        Raises:
            ValueError: a key is not `id.secret`, its secret is short, or its id occurs twice.
        """
        self._digests: dict[str, bytes] = {}
        for key in keys:
            key_id, dot, secret = key.partition(".")
            if not key_id or not dot or len(secret) < _SECRET_CHARACTERS_MIN:
                message = (
                    f"EDGE_API_KEYS: each key must be id.secret with {_SECRET_CHARACTERS_MIN} characters of secret"
                )
                raise ValueError(message)
            if key_id in self._digests:
                message = f"EDGE_API_KEYS: the id {key_id} occurs twice; give each key an id of its own"
                raise ValueError(message)
            self._digests[key_id] = hashlib.sha256(secret.encode()).digest()

    def check(self, request: web.Request) -> str:
        """Return the id of the request's key.

        Raises:
            Fault: there is none, or it is not one of ours.
        """
        given = request.headers.get("X-API-Key", "")
        if not given:
            scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
            given = token if scheme.lower() == "bearer" else ""
        key_id, _, secret = given.partition(".")
        expected = self._digests.get(key_id, b"\0" * 32)
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        if not hmac.compare_digest(digest, expected):
            raise Fault(
                kind=Kind.UNAUTHENTICATED,
                reason="API_KEY_INVALID",
                message="Send a valid API key in X-API-Key, or as a Bearer token.",
            )
        return key_id
