"""Holds slow connections open: half never finish their headers, half never their body, each sends a byte a second.

Run as `python -m bench.slow_sender HOST PORT PATH COUNT`. Prints OPEN as soon as all are open. What the server closes
is opened again, as somebody would who means harm. When its input ends, it prints what it saw and leaves.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections import deque
from typing import TYPE_CHECKING, cast

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN = "OPEN"
HELD = "HELD "
_AT_ONCE = 50
_BYTE_EVERY_S = 1.0
_TICK_S = 0.002
_REOPEN_EVERY_S = 0.05


class SlowConnection(asyncio.Protocol):
    """One connection that begins a request and never ends it."""

    def __init__(self, beginning: bytes, lost: Callable[[SlowConnection], None]) -> None:
        self.beginning = beginning
        self._lost = lost
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the request."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self.beginning)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that the server gave up."""
        del exc
        self._transport = None
        self._lost(self)

    def drip(self) -> None:
        """Send one byte more."""
        if self._transport is not None:
            self._transport.write(b"a")

    def end(self) -> None:
        """Let it go at once."""
        if self._transport is not None:
            self._transport.abort()


class Crowd:
    """So many slow connections, opened again when they are closed."""

    def __init__(self, host: str, port: int, path: str, count: int) -> None:
        """Plan `count` connections to `path`."""
        self._host, self._port, self._count = host, port, count
        head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n".encode()
        self._beginnings = (head + b"X-Slow: ", head + b"Content-Length: 1000\r\n\r\n")
        self._all: deque[SlowConnection] = deque()
        self._missing: list[bytes] = []
        self._closing = False
        self.reopened = 0
        self.open_min = count

    async def open(self) -> None:
        """Open all of them, some at once."""
        for start in range(0, self._count, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, self._count))
            await asyncio.gather(*(self._connect(self._beginnings[number % 2]) for number in numbers))

    async def drip(self) -> None:
        """Send a byte on each in turn, evenly over the time, for ever."""
        loop = asyncio.get_running_loop()
        started, sent = loop.time(), 0
        while True:
            await asyncio.sleep(_TICK_S)
            due = int((loop.time() - started) * self._count / _BYTE_EVERY_S)
            for _ in range(min(due - sent, len(self._all))):
                self._all.rotate(-1)
                self._all[0].drip()
            sent = due

    async def reopen(self) -> None:
        """Open again what was closed, for ever."""
        while True:
            await asyncio.sleep(_REOPEN_EVERY_S)
            beginnings, self._missing = self._missing[:_AT_ONCE], self._missing[_AT_ONCE:]
            await asyncio.gather(*map(self._connect_again, beginnings))

    def close(self) -> None:
        """Let all of them go."""
        self._closing = True
        for connection in self._all:
            connection.end()

    async def _connect(self, beginning: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: SlowConnection(beginning, self._lost), self._host, self._port
        )
        self._all.append(connection)

    async def _connect_again(self, beginning: bytes) -> None:
        try:
            await self._connect(beginning)
        except OSError:
            self._missing.append(beginning)
        else:
            self.reopened += 1

    def _lost(self, connection: SlowConnection) -> None:
        if self._closing:
            return
        self._all.remove(connection)
        self._missing.append(connection.beginning)
        self.open_min = min(self.open_min, len(self._all))


async def hold(host: str, port: int, path: str, count: int) -> dict[str, int]:
    """Hold `count` slow connections until our input ends; return how it went."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    crowd = Crowd(host, port, path, count)
    await crowd.open()
    work = [asyncio.create_task(crowd.drip()), asyncio.create_task(crowd.reopen())]
    print(OPEN, flush=True)
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    for task in work:
        task.cancel()
    crowd.close()
    return {"open_min": crowd.open_min, "reopened": crowd.reopened}


def main(arguments: list[str]) -> None:
    """Hold as the command line says, and print one JSON line."""
    host, port, path, count = arguments
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"{HELD}{json.dumps(uvloop.run(hold(host, int(port), path, int(count))))}")


if __name__ == "__main__":
    main(sys.argv[1:])
