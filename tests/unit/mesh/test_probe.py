"""The probe for container runtimes: 0 where a process answers, 1 where it doesn't, 2 where it is asked wrongly."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from mesh import probe
from mesh.server import Server


async def test_a_server_that_is_not_ready_is_alive() -> None:
    """A ledger without its MongoDB answers, and must not be restarted for it."""
    server = Server(services=[], reflect=False)
    await server.start("127.0.0.1:0")
    port = await server.start_health("127.0.0.1:0")
    await server.set_healthy(healthy=False)
    try:
        assert await asyncio.to_thread(probe.main, [f"grpc://127.0.0.1:{port}"]) == 0
    finally:
        await server.drain(notice_s=0, grace_s=0)
    assert await asyncio.to_thread(probe.main, [f"grpc://127.0.0.1:{port}"]) == 1


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
async def test_http_is_alive_at_200(status: int, code: int) -> None:
    """Any other status, and no answer, is no."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/livez", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        assert await asyncio.to_thread(probe.main, [f"http://127.0.0.1:{port}/livez"]) == code
    finally:
        await runner.cleanup()
    assert await asyncio.to_thread(probe.main, [f"http://127.0.0.1:{port}/livez"]) == 1


@pytest.mark.parametrize("arguments", [[], ["ftp://127.0.0.1"], ["http://127.0.0.1:1", "more"]])
def test_a_wrong_question_is_told_apart_from_a_dead_process(arguments: list[str]) -> None:
    """Exit code 2 is the image's mistake."""
    assert probe.main(arguments) == 2
