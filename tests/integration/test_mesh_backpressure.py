"""The ledger stands still: callers are told so in time, memory stays bounded, and everything goes on by itself."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest

from autopay_cli.signing import signed
from tests.integration.conftest import StartMesh
from tests.mesh_audit import auditing
from tests.mesh_processes import SECRET, RunningMesh
from tests.mesh_traffic import Reply, Sender, fresh_payments, sending_to

pytestmark = pytest.mark.timed

ANSWER_S_MAX = 2.0
RECOVERY_S_MAX = 10.0
WAITING = 10_000
BODY_BYTES = 4_096
MIB = 1_048_576
# A connection with its request, its handler's task and its answer; bodies are counted by the queue's own bound.
CONNECTION_BYTES_MAX = 24 * 1024


@pytest.fixture
def many_files(start_mesh: StartMesh) -> Iterator[None]:
    """Allows as many open files as there are waiting requests, here; the edge looks after itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WAITING + 2_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this account may open {hard} files at most, {wanted} are needed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def assert_stored(mesh: RunningMesh, payments: dict[str, bytes]) -> None:
    """Each of these payments is stored once, and nothing else is."""
    with auditing(mesh.mongo_url) as audit:
        audit.assert_stored_once({tx_id: [body] for tx_id, body in payments.items()})
        assert audit.transactions.count_documents({}) == audit.event_count() == len(payments)


async def send_until_all_accepted(sender: Sender, bodies: Sequence[bytes]) -> None:
    """Send again what is answered 503, as a patient sender does."""
    await sender.send_until_accepted(bodies[0], timeout_s=RECOVERY_S_MAX)
    left = list(bodies)
    for _ in range(5):
        replies = await sender.send_all(left)
        assert all(reply.status == 200 or reply.asks_again for reply in replies)
        left = [body for body, reply in zip(left, replies, strict=True) if reply.status != 200]
        if not left:
            return
    raise AssertionError(f"{len(left)} deliveries are still refused")


async def test_a_frozen_ledger_means_503_in_time(start_mesh: StartMesh) -> None:
    """While the ledger is stopped every request gets 503 with Retry-After within 2 s; then all goes on by itself."""
    mesh = start_mesh()
    accepted, refused = fresh_payments(100), fresh_payments(400)
    async with sending_to(mesh) as sender:
        assert {reply.status for reply in await sender.send_all(list(accepted.values()))} == {200}
        mesh.freeze("ledger")
        try:
            replies = await sender.send_all(list(refused.values()), concurrency=200)
        finally:
            mesh.thaw("ledger")
        assert all(reply.asks_again for reply in replies)
        assert max(reply.took_s for reply in replies) <= ANSWER_S_MAX
        await send_until_all_accepted(sender, list(refused.values()))
    assert_stored(mesh, {**accepted, **refused})


async def test_a_full_queue_refuses_at_once(start_mesh: StartMesh) -> None:
    """Over the queue's bound in bytes a delivery is refused at once, while those that fit in still wait."""
    mesh = start_mesh(EDGE_QUEUE_BYTES_MAX=str(MIB), EDGE_WAIT_S_MAX="4")
    payments = fresh_payments(600, description="d" * 480, padding="x" * (BODY_BYTES - 700))
    size = len(next(iter(payments.values())))
    fitting = MIB // size
    started_s = time.perf_counter()
    ended_s: dict[int, float] = {}

    async def send(position: int, body: bytes) -> Reply:
        reply = await sender.send(body)
        ended_s[position] = time.perf_counter() - started_s
        return reply

    async with sending_to(mesh) as sender:
        mesh.freeze("ledger")
        try:
            replies = await asyncio.gather(*(send(place, body) for place, body in enumerate(payments.values())))
        finally:
            mesh.thaw("ledger")
        assert all(reply.asks_again for reply in replies)
        at_once = [ended_s[place] for place, reply in enumerate(replies) if reply.fields["reason"] == "OVERLOADED"]
        waited = [ended_s[place] for place, reply in enumerate(replies) if reply.fields["reason"] != "OVERLOADED"]
        assert len(waited) == pytest.approx(fitting, abs=2)
        assert max(at_once) < min(waited)
        await send_until_all_accepted(sender, list(payments.values()))
    assert_stored(mesh, payments)


class Wire(asyncio.Protocol):
    """One connection that sends one request and keeps the first bytes of the answer."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Keep what comes, until the head of the answer is whole."""
        self._received += data
        if b"\r\n\r\n" in self._received and not self.answered.done():
            self.answered.set_result(self._received)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail where there was no answer."""
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError("closed without an answer"))


def post_of(body: bytes, host: str) -> bytes:
    """A whole signed request as it goes over the wire."""
    request = signed(body, SECRET, timestamp_s=int(time.time()))
    headers = {"Host": host, "Content-Type": "application/json", "Content-Length": str(len(body)), **request.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /webhooks/payments HTTP/1.1\r\n{head}\r\n".encode() + body


async def open_all(mesh: RunningMesh, requests: Sequence[bytes]) -> list[tuple[asyncio.BaseTransport, Wire]]:
    """Open a connection for each request and send it, without waiting for answers."""
    host, _, port = mesh.addresses["edge"].rpartition(":")
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(128)

    async def open_one(request: bytes) -> tuple[asyncio.BaseTransport, Wire]:
        async with gate:
            return await loop.create_connection(lambda: Wire(request), host, int(port))

    return list(await asyncio.gather(*(open_one(request) for request in requests)))


def assert_waited_together(mesh: RunningMesh, count: int) -> None:
    """By the edge's own log, so many requests had all come in before the first of them was answered."""
    lines = [line for line in mesh.log_lines("edge") if line.get("event") == "webhook"]
    ended_s = [datetime.fromisoformat(line["ts"]).timestamp() for line in lines]
    begun_s = [ended - line["duration_ms"] / 1000 for ended, line in zip(ended_s, lines, strict=True)]
    assert len(lines) == count
    assert max(begun_s) < min(ended_s)


@pytest.mark.slow
async def test_ten_thousand_waiting_requests_take_bounded_memory(many_files: None, start_mesh: StartMesh) -> None:
    """10,000 requests of 4 KiB that wait at once take their bytes and a little each; later they can be sent again."""
    mesh = start_mesh(EDGE_WAIT_S_MAX="10")
    payments = fresh_payments(WAITING, padding="x" * (BODY_BYTES - 200))
    requests = [post_of(body, mesh.addresses["edge"]) for body in payments.values()]
    edge = mesh.process("edge")
    rss_before = rss_max = edge.memory_info().rss
    mesh.freeze("ledger")
    try:
        wires = await open_all(mesh, requests)
        pending = {wire.answered for _, wire in wires}
        while pending:
            _, pending = await asyncio.wait(pending, timeout=0.2)
            rss_max = max(rss_max, edge.memory_info().rss)
    finally:
        mesh.thaw("ledger")
    answers = [wire.answered.result() for _, wire in wires]
    for transport, _ in wires:
        transport.close()
    assert all(answer.startswith(b"HTTP/1.1 503") and b"\r\nRetry-After: " in answer for answer in answers)
    assert_waited_together(mesh, WAITING)
    assert rss_max - rss_before <= WAITING * (BODY_BYTES + CONNECTION_BYTES_MAX)
    again = dict(list(payments.items())[-500:])
    async with sending_to(mesh) as sender:
        await send_until_all_accepted(sender, list(again.values()))
    with auditing(mesh.mongo_url) as audit:
        audit.assert_stored_once({tx_id: [body] for tx_id, body in again.items()})
        # Of those not sent again, what was out to ingest may have been written all the same: once.
        assert audit.event_count() == audit.transactions.count_documents({})
