"""The edge as real processes: workers on one socket, restarts, drains without a failed request, clear refusals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.wire.edge_processes import BODY, EdgeProcess, IngestDouble, connections, serving, signed

Start = Callable[..., EdgeProcess]


@pytest.fixture
def ingest() -> IngestDouble:
    """What stands behind the edge."""
    return IngestDouble()


@pytest.fixture
async def target(ingest: IngestDouble) -> AsyncIterator[str]:
    """The address of an ingest that answers."""
    async with serving(ingest) as address:
        yield address


@pytest.fixture
def start(target: str, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts an edge; it is ended after the test."""
    started: list[EdgeProcess] = []

    def one(**environment: str) -> EdgeProcess:
        directory = tmp_path / f"edge-{len(started)}"
        directory.mkdir()
        started.append(EdgeProcess(target, directory, **environment))
        return started[-1]

    yield one
    for each in started:
        each.stop()


async def deliver(session: aiohttp.ClientSession, address: str) -> aiohttp.ClientResponse:
    """Send one webhook and read its answer."""
    async with session.post(f"http://{address}/webhooks/payments", data=BODY, headers=signed()) as response:
        await response.read()
        return response


async def request_id(session: aiohttp.ClientSession, address: str) -> str:
    """Send one webhook that must be accepted; return its request id, whose beginning is its worker's."""
    response = await deliver(session, address)
    assert response.status == 200
    found: str = (await response.json())["request_id"]
    return found


async def workers_that_answer(session: aiohttp.ClientSession, address: str, *, count: int) -> set[str]:
    """Send until so many workers have answered; return what their request ids begin with."""
    seen: set[str] = set()
    async with asyncio.timeout(30):
        while len(seen) < count:
            answers = await asyncio.gather(*(request_id(session, address) for _ in range(20)))
            seen |= {each[:12] for each in answers}
    return seen


def maps_grpc(pid: int) -> bool:
    """Return whether a process has gRPC's library loaded."""
    return "cygrpc" in Path(f"/proc/{pid}/maps").read_text()


def is_running(pid: int) -> bool:
    """Return whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


async def test_two_workers_share_one_socket_and_one_that_dies_comes_back(start: Start) -> None:
    """Both workers serve; a killed one is started again while the other goes on; the supervisor never loads grpc."""
    edge = start(EDGE_WORKERS="2")
    address, _ = await edge.up(workers=2)
    async with connections(keep=False) as session:
        before = await workers_that_answer(session, address, count=2)
        assert len(edge.workers) == 2
        assert not maps_grpc(edge.process.pid)
        assert all(map(maps_grpc, edge.workers))
        victim = min(edge.workers)
        os.kill(victim, signal.SIGKILL)
        await edge.up(workers=3)
        assert victim not in edge.workers
        assert f"worker {victim} ended with -9" in edge.errors
        assert len(await workers_that_answer(session, address, count=2) | before) >= 3


async def test_workers_end_with_a_supervisor_that_is_killed(start: Start) -> None:
    """A supervisor killed outright leaves no worker behind: an orphan would go on holding the port."""
    edge = start(EDGE_WORKERS="2")
    await edge.up(workers=2)
    workers = edge.workers
    assert len(workers) == 2
    edge.process.kill()
    for _ in range(300):
        if not any(map(is_running, workers)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("workers outlived their supervisor")


async def test_sigterm_finishes_what_is_in_flight_in_every_worker(start: Start, ingest: IngestDouble) -> None:
    """Deliveries that were accepted before SIGTERM are answered; then every process ends, and soon."""
    edge = start(EDGE_WORKERS="2", AUTOPAY_DRAIN_NOTICE_S="0.1")
    address, _ = await edge.up(workers=2)
    workers = edge.workers
    ingest.delay_s = 0.5
    async with connections(keep=False) as session:
        sending = [asyncio.ensure_future(deliver(session, address)) for _ in range(20)]
        await asyncio.wait_for(ingest.called.wait(), 30)
        await asyncio.sleep(0.1)
        started = time.monotonic()
        edge.process.send_signal(signal.SIGTERM)
        assert [answer.status for answer in await asyncio.gather(*sending)] == [200] * 20
        assert await edge.ended() == 0
    assert time.monotonic() - started < 8
    assert not any(map(psutil.pid_exists, workers))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address.split(":"))


async def test_a_drain_under_load_fails_no_request(start: Start) -> None:
    """Senders that keep their connections and heed /readyz and `Connection: close` never see a failed request."""
    edge = start(AUTOPAY_DRAIN_NOTICE_S="0.8")
    address, admin = await edge.up()
    leaving, busy, answered = asyncio.Event(), asyncio.Event(), []

    async def watch(session: aiohttp.ClientSession) -> None:
        while not leaving.is_set():
            async with session.get(f"http://{admin}/readyz") as response:
                if response.status == 503:
                    leaving.set()
            await asyncio.sleep(0.02)

    async def sender() -> None:
        closed = True
        async with connections(keep=True) as session:
            # A load balancer opens no new connection to who isn't ready, and uses those it has until told otherwise.
            while not (closed and leaving.is_set()):
                response = await deliver(session, address)
                answered.append(response.status)
                if len(answered) > 100:
                    busy.set()
                closed = response.headers.get("Connection") == "close"

    async with connections(keep=False) as session:
        tasks = [asyncio.ensure_future(watch(session)), *(asyncio.ensure_future(sender()) for _ in range(16))]
        await asyncio.wait_for(busy.wait(), 30)
        edge.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert set(answered) == {200}
    assert await edge.ended() == 0
    assert [line["event"] for line in edge.lines if line["event"] != "webhook"] == ["listening", "draining", "stopped"]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"EDGE_BODY_TIMEOUT_S": "soon"}, "EDGE_BODY_TIMEOUT_S"),
        ({"EDGE_API_KEYS": "one.short"}, "EDGE_API_KEYS"),
        ({"HMAC_SECRET_KEY_FILE": "/does/not/exist"}, "HMAC_SECRET_KEY_FILE"),
    ],
    ids=["number", "api-key", "file"],
)
async def test_a_wrong_setting_is_one_line_and_the_end(
    start: Start, workers: str, environment: dict[str, str], said: str
) -> None:
    """An edge that can't work says why in one line and exits 2, with workers as without."""
    edge = start(EDGE_WORKERS=workers, **environment)
    assert await edge.ended() == 2
    assert edge.errors.startswith("edge: ")
    assert said in edge.errors
    assert edge.errors.count("\n") == 1


@pytest.mark.parametrize("variable", ["EDGE_BIND", "EDGE_ADMIN_BIND"])
async def test_a_taken_port_is_one_line_and_the_end(start: Start, variable: str) -> None:
    """A port that another process has is named, and the edge exits 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        edge = start(**{variable: address})
        assert await edge.ended() == 2
    assert f"can't listen on {address}" in edge.errors
    assert edge.errors.count("\n") == 1


async def test_an_edge_starts_without_anything_behind_it(start: Start) -> None:
    """Readiness never depends on the mesh: with nothing behind it the edge is ready, and says 503 in time."""
    edge = start(EDGE_INGEST_TARGET="127.0.0.1:9", HMAC_SECRET_KEY="s3cret-of-the-tests-0123456789abcdef")
    address, admin = await edge.up()
    async with connections(keep=False) as session:
        async with session.get(f"http://{admin}/readyz") as ready:
            assert ready.status == 200
        began = time.monotonic()
        response = await deliver(session, address)
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert time.monotonic() - began < 2
