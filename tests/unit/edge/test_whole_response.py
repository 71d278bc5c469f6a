"""The response of the hot path says the same however it leaves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from edge.whole_response import Head, WholeResponse

_HEAD = Head({"Content-Type": "application/json", "Cache-Control": "no-store"})
_BODY = b'{"status":"processed"}'


async def plain(_request: web.Request) -> web.Response:
    """Answer as the hot path does."""
    return WholeResponse(_HEAD, _BODY)


async def closing(_request: web.Request) -> web.Response:
    """Answer for the last time on this connection."""
    response = WholeResponse(_HEAD, _BODY)
    response.force_close()
    return response


async def changed(_request: web.Request) -> web.Response:
    """Answer with what was thought of later."""
    response = WholeResponse(_HEAD, _BODY)
    response.headers["Preference-Applied"] = "wait=1"
    response.body = b"{}"
    return response


class Large:
    """Answers with a quarter of a megabyte, and counts."""

    def __init__(self) -> None:
        self.answered = 0

    async def answer(self, _request: web.Request) -> web.Response:
        """Answer as the hot path does."""
        self.answered += 1
        return WholeResponse(_HEAD, b"x" * 262_144)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Serve the three and yield where."""
    app = web.Application()
    for handler in (plain, closing, changed):
        app.router.add_post(f"/{handler.__name__}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        await web.SockSite(runner, listening).start()
        yield listening.getsockname()[1]
        await runner.cleanup()


async def ask(
    port: int, path: str, *, version: str = "1.1", times: int = 1, more: str = ""
) -> list[tuple[bytes, bytes]]:
    """Return head and body of each answer on one connection, b"" for both where the connection has ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for _ in range(times):
        writer.write(f"POST /{path} HTTP/{version}\r\nHost: a\r\nContent-Length: 0\r\n{more}\r\n".encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            answers.append((b"", b""))
            break
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        answers.append((head, await reader.readexactly(length)))
    writer.close()
    return answers


def fields(head: bytes) -> dict[str, str]:
    """Return a head's fields, without the one that changes every second."""
    lines = head.decode().split("\r\n")[1:-2]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines) if name != "Date"}


async def test_a_connection_that_stays_open_gets_one_whole_answer_after_the_other(port: int) -> None:
    """Head, body and length are right each time."""
    for head, body in await ask(port, "plain", times=3):
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nDate: " in head
        assert body == _BODY
        assert fields(head)["cache-control"] == "no-store"
        assert "connection" not in fields(head)


async def test_both_ways_of_writing_have_the_same_header_fields(port: int) -> None:
    """What aiohttp writes to an old client differs in nothing but the connection."""
    [(fast, _)] = await ask(port, "plain")
    [(slow, body)] = await ask(port, "plain", version="1.0", more="Connection: keep-alive\r\n")
    assert body == _BODY
    assert fields(slow) == {**fields(fast), "connection": "keep-alive"}


@pytest.mark.parametrize(
    ("path", "version", "more"),
    [("closing", "1.1", ""), ("plain", "1.1", "Connection: close\r\n"), ("plain", "1.0", "")],
)
async def test_a_connection_that_ends_is_told_and_ended(port: int, path: str, version: str, more: str) -> None:
    """Whoever ends it: the server on its way out, the client, or HTTP/1.0."""
    (head, body), after = await ask(port, path, version=version, more=more, times=2)
    assert body == _BODY
    assert version == "1.0" or fields(head)["connection"] == "close"
    assert after == (b"", b"")


async def test_what_a_handler_changes_is_sent(port: int) -> None:
    """A body and a header field that were set later are those of the answer."""
    for head, body in await ask(port, "changed", times=2):
        assert body == b"{}"
        assert fields(head)["preference-applied"] == "wait=1"
        assert fields(head)["content-type"] == "application/json"


async def test_a_sender_that_does_not_read_is_not_answered_for_ever() -> None:
    """Its answers wait with it: what it has not read yet bounds what is held for it."""
    large = Large()
    app = web.Application()
    app.router.add_post("/large", large.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        await web.SockSite(runner, listening).start()
        with socket.create_connection(listening.getsockname()) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            sender.sendall(b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" * 200)
            await asyncio.sleep(0.5)
            assert 0 < large.answered < 100
        await runner.cleanup()
