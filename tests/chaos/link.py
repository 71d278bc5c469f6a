"""The network between two processes: a TCP proxy that can be cut, made silent and made slow."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

_CHUNK_BYTES: Final = 65_536
# What may be on its way over a slow link, each way of each connection; more waits at the sender, as it does in TCP.
_CHUNKS_MAX: Final = 1_024


class Link:
    """Forwards every connection to one port of loopback to another address."""

    def __init__(self, port: int, target: str) -> None:
        """Listen on `port` once started, and forward to `target`, host:port."""
        self._port = port
        self._host, _, target_port = target.rpartition(":")
        self._target_port = int(target_port)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._delay_s = 0.0

    async def start(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def mend(self) -> None:
        """Make it a good network again, whatever it is now."""
        self._delay_s = 0.0
        self._flows.set()
        if self._server is None:
            await self.start()

    def silence(self) -> None:
        """Keep every connection open and let nothing through; what was sent arrives when it is mended."""
        self._flows.clear()

    def slow_down(self, delay_s: float) -> None:
        """Let everything arrive so much later, in both directions."""
        self._delay_s = delay_s

    async def close(self) -> None:
        """End it."""
        await self.cut()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            # A broken connection is this program's everyday work; its task has nothing to tell anybody.
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._target_port)
        ways = [asyncio.create_task(self._way(reader, back)), asyncio.create_task(self._way(there, writer))]
        try:
            # gRPC half-closes nothing: when one way ends, so does the connection.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.transport.abort()

    async def _way(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on what comes, in order, each piece after the delay that held when it came."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_MAX)
        passing = asyncio.create_task(self._pass_on(pieces, sink))
        loop = asyncio.get_running_loop()
        try:
            while (piece := await source.read(_CHUNK_BYTES)) and not passing.done():
                await pieces.put((loop.time() + self._delay_s, piece))
        finally:
            passing.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await passing

    async def _pass_on(self, pieces: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._flows.wait()
            sink.write(piece)
            await sink.drain()
