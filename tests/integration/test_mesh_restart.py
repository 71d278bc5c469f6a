"""Processes of the mesh are killed and stopped under traffic: every 2xx is kept, and nobody gets a strange answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.mesh_audit import auditing
from tests.mesh_processes import NAMES, RunningMesh
from tests.mesh_traffic import Reply, Sender, fresh_payments, new_tx_id, payment, sending_to

RECOVERY_S_MAX = 5.0
ANSWER_S_MAX = 2.0


class Traffic:
    """New payments from several senders at once, without an end; what was answered, and by whom it wasn't."""

    def __init__(self, sender: Sender) -> None:
        """Send through `sender`."""
        self._sender = sender
        self.sent: dict[str, bytes] = {}
        self.replies: dict[str, Reply] = {}
        self.unanswered = Counter[str]()

    @asynccontextmanager
    async def flowing(self, *, senders: int) -> AsyncIterator[None]:
        """Send while the context lasts."""
        flowing = True

        async def send_on() -> None:
            while flowing:
                tx_id = new_tx_id()
                body = self.sent[tx_id] = payment(tx_id)
                try:
                    self.replies[tx_id] = await self._sender.send(body)
                except aiohttp.ClientError as error:
                    self.unanswered[type(error).__name__] += 1
                    await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(senders):
                tasks.create_task(send_on())
            try:
                yield
            finally:
                flowing = False

    async def until_accepted(self, *, since: int, timeout_s: float) -> None:
        """Wait for a 2xx that comes after the first `since` answers."""
        deadline = time.monotonic() + timeout_s
        while not any(reply.status == 200 for reply in list(self.replies.values())[since:]):
            assert time.monotonic() < deadline, f"nothing was accepted for {timeout_s} s"
            await asyncio.sleep(0.02)

    def assert_kept(self, mesh: RunningMesh) -> None:
        """Every payment that was accepted is stored once, and none is doubled."""
        accepted = {tx_id: [self.sent[tx_id]] for tx_id, reply in self.replies.items() if reply.status == 200}
        assert accepted
        with auditing(mesh.mongo_url) as audit:
            audit.assert_stored_once(accepted)
            stored = audit.payments(self.sent)
            assert all(len(document["events"]) == 1 for document in stored.values())

    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(reply.status for reply in self.replies.values())


@pytest.fixture
def whole(mesh: RunningMesh) -> Iterator[RunningMesh]:
    """The mesh of this file; what a test leaves dead is started again."""
    yield mesh
    for name in NAMES:
        if not mesh.is_alive(name):
            mesh.launch(name)
    mesh.await_healthy()


@pytest.mark.parametrize("name", ["ingest", "ledger", "insight"])
async def test_a_killed_service_loses_nothing_acknowledged(whole: RunningMesh, name: str) -> None:
    """While a service is killed and started again, answers are 2xx or 503, every 2xx is kept, and traffic recovers."""
    async with sending_to(whole) as sender:
        traffic = Traffic(sender)
        async with traffic.flowing(senders=16):
            await asyncio.sleep(0.5)
            whole.kill(name)
            await asyncio.sleep(0.5)
            await whole.restart(name)
            await traffic.until_accepted(since=len(traffic.replies), timeout_s=RECOVERY_S_MAX)
    assert not traffic.unanswered
    assert all(reply.status == 200 or reply.asks_again for reply in traffic.replies.values()), traffic.statuses()
    if name == "insight":
        assert set(traffic.statuses()) == {200}, "insight can't fail a webhook"
    traffic.assert_kept(whole)


@pytest.mark.parametrize("name", ["ingest", "ledger", "insight"])
async def test_a_stopped_service_ends_cleanly_under_traffic(whole: RunningMesh, name: str) -> None:
    """On SIGTERM a service finishes what it has and exits 0; answers are 2xx or 503 until it is back."""
    async with sending_to(whole) as sender:
        traffic = Traffic(sender)
        async with traffic.flowing(senders=4):
            await asyncio.sleep(0.3)
            assert await whole.stop(name) == 0
            await whole.restart(name)
            await traffic.until_accepted(since=len(traffic.replies), timeout_s=RECOVERY_S_MAX)
    assert not traffic.unanswered
    assert all(reply.status == 200 or reply.asks_again for reply in traffic.replies.values()), traffic.statuses()
    traffic.assert_kept(whole)


async def test_a_draining_edge_answers_what_it_has(whole: RunningMesh) -> None:
    """On SIGTERM the edge answers every request it took before it ends, with what became of it."""
    bodies = list(fresh_payments(64).values())
    async with sending_to(whole) as sender:
        await sender.send_all(bodies[:32])
        whole.freeze("ingest")
        sending = asyncio.create_task(sender.send_all(bodies))
        await asyncio.sleep(0.4)
        stopping = asyncio.create_task(whole.stop("edge"))
        await asyncio.sleep(0.4)
        whole.thaw("ingest")
        replies = await sending
        assert await stopping == 0
    assert {reply.status for reply in replies} == {200}


async def test_a_restarted_edge_gives_no_strange_answer(whole: RunningMesh) -> None:
    """While the edge ends and comes back a sender gets 2xx, 503 or no connection, and every 2xx is kept."""
    async with sending_to(whole) as sender:
        traffic = Traffic(sender)
        async with traffic.flowing(senders=4):
            await asyncio.sleep(0.3)
            assert await whole.stop("edge") == 0
            await whole.restart("edge")
            await traffic.until_accepted(since=len(traffic.replies), timeout_s=RECOVERY_S_MAX)
    assert all(reply.status == 200 or reply.asks_again for reply in traffic.replies.values()), traffic.statuses()
    traffic.assert_kept(whole)


async def test_a_frozen_insight_delays_no_payment(whole: RunningMesh) -> None:
    """With insight stopped (SIGSTOP) payments are recorded without a score, in time."""
    bodies = list(fresh_payments(50).values())
    async with sending_to(whole) as sender:
        whole.freeze("insight")
        try:
            replies = await sender.send_all(bodies)
        finally:
            whole.thaw("insight")
    assert {(reply.status, reply.fields["risk"]) for reply in replies} == {(200, None)}
    assert max(reply.took_s for reply in replies) <= ANSWER_S_MAX
