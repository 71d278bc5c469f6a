"""API keys `id.secret`: only their SHA-256 is kept, and they are compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from aiohttp import hdrs, web

from edge.settings import api_keys_of
from mesh.errors import Fault, Kind


class ApiKeys:
    """The keys that may read."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys as configured.

        Raises:
            ValueError: a key is not `id.secret`, its secret is short, or its id occurs twice.
        """
        self._digests = {
            key_id: hashlib.sha256(secret.encode()).digest() for key_id, secret in api_keys_of(keys).items()
        }

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
