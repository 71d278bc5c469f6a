"""The blocking and the asyncio client behind one face, so that one test speaks for both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from autopay_client import AsyncLedgerClient, LedgerClient

_END = object()


class Either:
    """One of the two clients; the blocking one works in a thread."""

    def __init__(self, client: Any) -> None:
        """Stand before a client."""
        self.client = client
        self._blocking = isinstance(client, LedgerClient)

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method and wait for what it returns."""
        return await self.run(lambda: getattr(self.client, method)(*args, **kwargs))

    async def collect(self, method: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Call a method and take all that it yields."""
        if self._blocking:
            return await asyncio.to_thread(lambda: list(getattr(self.client, method)(*args, **kwargs)))
        return [each async for each in getattr(self.client, method)(*args, **kwargs)]

    async def take(self, iterator: Any, count: int) -> list[Any]:
        """Take so many from an iterator."""
        if self._blocking:
            return await asyncio.to_thread(lambda: [next(iterator) for _ in range(count)])
        return [await anext(iterator) for _ in range(count)]

    async def run(self, act: Callable[[], Any]) -> Any:
        """Do something that one client does at once and the other when awaited."""
        if self._blocking:
            return await asyncio.to_thread(act)
        return await act()


@asynccontextmanager
async def either(kind: str, target: str, **options: Any) -> AsyncIterator[Either]:
    """Open a client, "blocking" or "asyncio", while the context lasts."""
    if kind == "blocking":
        with LedgerClient(target, **options) as blocking:
            yield Either(blocking)
    else:
        async with AsyncLedgerClient(target, **options) as client:
            yield Either(client)
