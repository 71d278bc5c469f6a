"""An HTTPS site behind an HTTP proxy, in a thread of its own: whichever host is asked for through it is that site."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.https_site import serving

_START_S_MAX = 10.0


@dataclass
class Proxied:
    """A site that is reached through a proxy.

    Attributes:
        url: the proxy's.
        hosts: every `host:port` that was asked for, in order.
    """

    url: str = ""
    hosts: list[str] = field(default_factory=list)


@contextmanager
def proxied_site(host: str, directory: Path, content: bytes) -> Iterator[Proxied]:
    """Serve `content` as `host` behind a proxy while the context lasts; `directory` gets the site's certificate."""
    proxied, ready = Proxied(), threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def run() -> None:
        async with serving(host, directory, content) as site:

            async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                asked = (await reader.readuntil(b"\r\n\r\n")).decode().split()
                assert asked[0] == "CONNECT"
                proxied.hosts.append(asked[1])
                from_site, to_site = await asyncio.open_connection("127.0.0.1", site.port)
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await asyncio.gather(_pass_on(reader, to_site), _pass_on(from_site, writer))

            server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
            proxied.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            ready.set()
            async with server:
                await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(_START_S_MAX)
        yield proxied
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
