"""What injects the faults does what it says: links, and the clock of other processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from autopay_cli.addresses import free_ports
from mesh.settings import environment_without
from tests.chaos.clock import Clock
from tests.chaos.link import Link


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(100):
        writer.write(piece)
        await writer.drain()
    writer.close()


@pytest.fixture
async def link() -> AsyncIterator[tuple[Link, int]]:
    """A link to a server that sends back what it gets, and the link's port."""
    near, far = free_ports(2)
    server = await asyncio.start_server(_echo, "127.0.0.1", far)
    link = Link(near, f"127.0.0.1:{far}")
    await link.start()
    yield link, near
    await link.close()
    server.close()


async def _say(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], word: bytes) -> bytes:
    reader, writer = streams
    writer.write(word)
    return await asyncio.wait_for(reader.read(100), 5)


async def _end_of(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(100), 5) == b""
    except ConnectionError:
        return True


async def test_a_cut_link_breaks_and_refuses_until_mended(link: tuple[Link, int]) -> None:
    """Cut, an open connection ends and a new one is refused; mended, a new one works."""
    it, port = link
    streams = await asyncio.open_connection("127.0.0.1", port)
    assert await _say(streams, b"one") == b"one"
    await it.cut()
    assert await _end_of(streams[0])
    streams[1].close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await it.mend()
    fresh = await asyncio.open_connection("127.0.0.1", port)
    assert await _say(fresh, b"three") == b"three"
    fresh[1].close()


async def test_a_silent_link_keeps_what_was_sent(link: tuple[Link, int]) -> None:
    """Silent, nothing arrives and nothing breaks; mended, what was sent arrives."""
    it, port = link
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    it.silence()
    writer.write(b"kept")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(100), 0.1)
    await it.mend()
    assert await asyncio.wait_for(reader.read(100), 5) == b"kept"
    writer.close()


async def test_a_slow_link_delays_both_ways(link: tuple[Link, int]) -> None:
    """Slowed down by 50 ms, there and back take 100 ms at least."""
    it, port = link
    streams = await asyncio.open_connection("127.0.0.1", port)
    it.slow_down(0.05)
    started = time.perf_counter()
    assert await _say(streams, b"late") == b"late"
    assert time.perf_counter() - started >= 0.1
    streams[1].close()


def test_a_clock_is_stepped_under_a_running_process(tmp_path: Path) -> None:
    """A process started with the clock's environment sees a step at once, in seconds and in nanoseconds."""
    clock = Clock(tmp_path / "clock")
    program = "import time\nwhile input(): print(time.time(), time.time_ns(), flush=True)"
    environment = {**environment_without("PYTHONPATH"), **clock.environment}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for offset_s in (0.0, 600.0, -600.0, 0.0):
            clock.step(offset_s)
            process.stdin.write("now\n")
            process.stdin.flush()
            seconds, nanoseconds = process.stdout.readline().split()
            assert abs(float(seconds) - time.time() - offset_s) < 30
            assert abs(int(nanoseconds) / 1e9 - time.time() - offset_s) < 30
        process.stdin.write("\n")
