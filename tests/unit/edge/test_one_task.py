"""A request runs in the task of its connection, and ends with it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from edge import listening
from edge.connections import Connections
from edge.webhooks import RequestIds
from tests.unit.edge.rig import answer_of

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Looking:
    """Remembers the task of each request, and fails or lingers as the query says."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[object] | None] = []
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with nothing."""
        self.tasks.append(asyncio.current_task())
        self.begun.set()
        if "fail" in request.query:
            raise ValueError("a bug")
        try:
            await asyncio.sleep(float(request.query.get("linger", "0")))
        finally:
            self.ended.set()
        return web.Response()


@pytest.fixture
def looking() -> Looking:
    """Return a handler that looks at its task."""
    return Looking()


@pytest.fixture
async def port(looking: Looking) -> AsyncIterator[int]:
    """Serve it as the edge serves, with a second to finish, and yield where."""
    app = web.Application()
    app.router.add_get("/", looking.answer)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        async with AsyncExitStack() as stack:
            connections = Connections(listening.INSIDE, RequestIds(), CollectorRegistry())
            await listening.run(app, bound, stack, connections, grace_s=0.2)
            yield bound.getsockname()[1]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on aiohttp's task for each request begins at once")
async def test_requests_of_one_connection_run_in_one_task(port: int, looking: Looking) -> None:
    """Another connection has another."""
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(GET)
            assert (await answer_of(reader)).status == 200
        writer.close()
        await writer.wait_closed()
    first, second, third, fourth = looking.tasks
    assert first is second
    assert third is fourth
    assert first is not third


async def test_a_bug_in_a_request_is_answered_and_ends_its_connection_alone(port: int) -> None:
    """The sender is told, and the next connection is served as if nothing had been."""
    for target, status in ((b"/?fail ", 500), (b"/ ", 200)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET.replace(b"/ ", target, 1))
        assert (await answer_of(reader)).status == status
        writer.close()
        await writer.wait_closed()


async def test_a_request_whose_sender_went_is_finished(port: int, looking: Looking) -> None:
    """A webhook may be durable already: nothing is broken off because nobody waits for its answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET.replace(b"/ ", b"/?linger=0.1 ", 1))
    await asyncio.wait_for(looking.begun.wait(), 2)
    writer.close()
    await writer.wait_closed()
    await asyncio.wait_for(looking.ended.wait(), 2)
