"""Reading a request's body: exact bytes, bounded in size, in time, and in bytes that nobody has verified yet."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import ClientPayloadError, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from edge.spreading import Spread
from mesh.errors import Fault, Kind

BODY_BYTES_MAX: Final = 262_144


class BodyReader:
    """Reads bodies under one bound for the process."""

    def __init__(self, *, timeout_s: float, unverified_bytes_max: int) -> None:
        """Give each body `timeout_s` seconds to arrive, up to a quarter more, all together at most so many bytes."""
        self._timeout_s = timeout_s
        self._spread = Spread()
        self._unverified_bytes_max = unverified_bytes_max
        self._unverified_bytes = 0

    async def read(self, request: web.Request) -> bytes:
        """Return the body exactly as it was sent.

        Raises:
            Fault: TOO_LARGE, UNSUPPORTED_MEDIA, BODY_TIMEOUT, or OVERLOADED.
        """
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            # Inflated bytes are not the signed ones, and a small bomb inflates to gigabytes.
            raise Fault(
                kind=Kind.INVALID,
                reason="UNSUPPORTED_MEDIA",
                message="Content-Encoding is not accepted; send the body as it was signed.",
            )
        content = request.content
        if content.is_eof():
            # The usual case: the whole body came with the headers, and no timer is needed.
            return _checked(content.read_nowait())
        declared = request.content_length
        if declared is not None and declared > BODY_BYTES_MAX:
            raise _too_large()
        return await self._read_slowly(request, declared)

    async def _read_slowly(self, request: web.Request, declared: int | None) -> bytes:
        reserved = BODY_BYTES_MAX if declared is None else declared
        if self._unverified_bytes + reserved > self._unverified_bytes_max:
            raise Fault(
                kind=Kind.EXHAUSTED,
                reason="OVERLOADED",
                message="Too many bodies are arriving at once; send it again in a second.",
                retry_after_s=1,
            )
        self._unverified_bytes += reserved
        try:
            async with asyncio.timeout(self._spread.of(self._timeout_s)):
                return await self._collect(request)
        except TimeoutError:
            raise Fault(
                kind=Kind.TIMEOUT,
                reason="BODY_TIMEOUT",
                message=f"The body did not arrive within {self._timeout_s:g} s.",
                metadata={"timeout_s": f"{self._timeout_s:g}"},
            ) from None
        except (ConnectionError, ClientPayloadError, HttpProcessingError):
            # Whoever hangs up half-way, or garbles the framing, is no bug of ours.
            raise Fault(
                kind=Kind.TIMEOUT, reason="BODY_TIMEOUT", message="The connection ended before the body did."
            ) from None
        finally:
            self._unverified_bytes -= reserved

    async def _collect(self, request: web.Request) -> bytes:
        parts, size = [], 0
        async for part in request.content.iter_any():
            size += len(part)
            if size > BODY_BYTES_MAX:
                raise _too_large()
            parts.append(part)
        return b"".join(parts)


def _checked(body: bytes) -> bytes:
    if len(body) > BODY_BYTES_MAX:
        raise _too_large()
    return body


def _too_large() -> Fault:
    return Fault(
        kind=Kind.OUT_OF_RANGE,
        reason="TOO_LARGE",
        message=f"The body is larger than {BODY_BYTES_MAX:,} bytes.",
        metadata={"limit": str(BODY_BYTES_MAX)},
    )
