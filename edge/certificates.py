"""Fetches the certificates that a provider signs with: bounded in size, time and number, each URL once at a time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from mesh.errors import Fault, Kind

_BYTES_MAX: Final = 65_536
_FETCH_S_MAX: Final = 5.0
_FETCHES_MAX: Final = 4
_BELIEVED_MAX: Final = 16
_BELIEVED_S: Final = 86_400.0
_TRIED_MAX: Final = 32
_TRIED_S: Final = 60.0
_FAILED_S: Final = 5.0
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a fetch gave, empty where it failed, and until when that counts (monotonic seconds)."""

    chain: bytes
    until: float


class Certificates:
    """The certificate chains by URL. Whoever names a URL has not been verified yet, so everything has a bound.

    What has verified a delivery is kept apart, where URLs that strangers make up can't push it out.
    """

    def __init__(self, session: aiohttp.ClientSession, *, proxy: str = "") -> None:
        """Fetch with `session`, which the caller closes, through `proxy` where there is one: a tunnel, TLS inside."""
        self._session = session
        self._proxy = proxy or None
        self._believed: OrderedDict[str, _Kept] = OrderedDict()
        self._tried: OrderedDict[str, _Kept] = OrderedDict()
        self._fetches: dict[str, asyncio.Task[bytes]] = {}

    async def chain(self, url: str) -> bytes:
        """Return the PEM at `url`, whose host the provider vouches for.

        Raises:
            Fault: UNAVAILABLE; it can't be had now. Nothing is known of the delivery then.
        """
        kept = self._kept(url)
        if kept is None:
            # Shielded: of several who wait for one fetch, one that hangs up must not end it for the others.
            chain = await asyncio.shield(self._fetch_once(url))
        else:
            chain = kept.chain
        if not chain:
            raise _unavailable("The certificate could not be fetched.")
        return chain

    def believe(self, url: str) -> None:
        """Keep what was fetched from `url` for a day: it has verified a delivery."""
        kept = self._tried.pop(url, None)
        if kept is not None:
            _put(self._believed, url, _Kept(kept.chain, time.monotonic() + _BELIEVED_S), _BELIEVED_MAX)

    def _kept(self, url: str) -> _Kept | None:
        now = time.monotonic()
        for known in (self._believed, self._tried):
            kept = known.get(url)
            if kept is not None and kept.until > now:
                return kept
        return None

    def _fetch_once(self, url: str) -> asyncio.Task[bytes]:
        fetch = self._fetches.get(url)
        if fetch is None:
            if len(self._fetches) >= _FETCHES_MAX:
                raise _unavailable("Too many certificates are being fetched at once.")
            fetch = self._fetches[url] = asyncio.create_task(self._fetch(url))
        return fetch

    async def _fetch(self, url: str) -> bytes:
        try:
            async with asyncio.timeout(_FETCH_S_MAX):
                chain = await self._get(url)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            chain = b""
        finally:
            del self._fetches[url]
        kept = _Kept(chain, time.monotonic() + (_TRIED_S if chain else _FAILED_S))
        _put(self._tried, url, kept, _TRIED_MAX)
        return chain

    async def _get(self, url: str) -> bytes:
        if urlsplit(url).scheme != "https":
            return b""
        # A redirect would lead to a host that nobody vouched for.
        async with self._session.get(url, allow_redirects=False, proxy=self._proxy) as response:
            if response.status != _OK:
                return b""
            content = await response.content.read(_BYTES_MAX + 1)
            while len(content) <= _BYTES_MAX and (more := await response.content.read(_BYTES_MAX + 1)):
                content += more
            return content if len(content) <= _BYTES_MAX else b""


def _put(known: OrderedDict[str, _Kept], url: str, kept: _Kept, count_max: int) -> None:
    known[url] = kept
    known.move_to_end(url)
    while len(known) > count_max:
        known.popitem(last=False)


def _unavailable(message: str) -> Fault:
    return Fault(kind=Kind.UNAVAILABLE, reason="DEPENDENCY_DOWN", message=f"{message} Send it again.", retry_after_s=5)
