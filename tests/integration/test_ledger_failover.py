"""The primary is killed under a steady stream of writes: nothing acknowledged is lost, and writing soon goes on."""

from __future__ import annotations

import asyncio
import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2

from autopay_cli.embedded_mongo import EmbeddedMongo
from mesh.channel import call
from mesh.errors import Fault
from tests.ledgers import RunningLedger, captured, clock_ms, running_ledger

pytestmark = pytest.mark.timed

BATCH = 16
EVERY_S = 0.028
BEFORE_S = 3.0
AFTER_S = 4.0
RECOVERY_S_MAX = 5.0
# As the ledger's own default.
BUDGET_S = 1.2


@dataclass(slots=True)
class Sent:
    """One payment's attempts: the bytes of each and when it was sent, in order, and what the last was answered."""

    tx_id: str
    event: Any
    bodies: list[bytes] = field(default_factory=list)
    sent_at_ms: list[int] = field(default_factory=list)
    outcome: int = 0

    def attempt_at(self, at_ms: int) -> int:
        """Return which attempt was out at a time: one follows the other."""
        return bisect_right(self.sent_at_ms, at_ms) - 1


@dataclass(slots=True)
class Load:
    """A steady stream of new payments; what fails is sent again, with other bytes each time, as senders sign anew."""

    ledger: RunningLedger
    payments: dict[str, Sent] = field(default_factory=dict)
    successes: list[float] = field(default_factory=list)
    failures: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, until: Callable[[], bool]) -> None:
        """Send a batch every few milliseconds until told to stop, then until everything is acknowledged."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not until():
            number = len(self.payments)
            fresh = [
                Sent(f"T-{each}", captured(f"T-{each}", 1_000 + each, event_id="e-1"))
                for each in range(number, number + BATCH)
            ]
            self.payments |= {sent.tx_id: sent for sent in fresh}
            task = asyncio.create_task(self._deliver(fresh))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            due += EVERY_S
            await asyncio.sleep(max(0.0, due - loop.time()))
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _deliver(self, batch: list[Sent]) -> None:
        while batch:
            request = ledger_pb2.RecordRequest(items=[_item(sent) for sent in batch])
            try:
                answer: ledger_pb2.RecordResponse = await call(self.ledger.stub.Record, request, timeout_s=2.0)
            except Fault as fault:
                if not fault.retryable:
                    raise
                self.failures += len(batch)
                await asyncio.sleep(0.1)
                continue
            again = []
            for sent, result in zip(batch, answer.results, strict=True):
                if result.HasField("error"):
                    assert result.error.retryable, result
                    again.append(sent)
                else:
                    sent.outcome = result.events[0].outcome
            if len(again) < len(batch):
                self.successes.append(asyncio.get_running_loop().time())
            self.failures += len(again)
            batch = again
            if batch:
                await asyncio.sleep(0.1)


def _item(sent: Sent) -> ledger_pb2.RecordItem:
    attempt = len(sent.bodies)
    body = f"{sent.tx_id} attempt {attempt}".encode()
    sent.bodies.append(body)
    sent.sent_at_ms.append(clock_ms())
    delivery_id = f"d-{sent.tx_id}-{attempt}"
    delivery = delivery_pb2.Delivery(
        delivery_id=delivery_id, source="autopay", provider="autopay", body=body, received_at_ms=clock_ms()
    )
    return ledger_pb2.RecordItem(
        delivery_id=delivery_id,
        source="autopay",
        delivery=delivery,
        events=[ledger_pb2.RecordEvent(event=sent.event)],
    )


def key_of(body: bytes) -> str:
    """The id of a delivery of these bytes."""
    return f"autopay:{hashlib.sha256(body).hexdigest()}"


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_killed_primary_loses_and_doubles_nothing(start_mongo: Callable[..., EmbeddedMongo]) -> None:
    """Killed -9 under 500 writes a second: each payment once with the first accepted bytes; the next success in 5 s."""
    mongo = start_mongo(members=3)
    async with running_ledger(mongo.url, budget_s=BUDGET_S) as ledger:
        loop = asyncio.get_running_loop()
        load, stop = Load(ledger), asyncio.Event()
        running = asyncio.create_task(load.run(stop.is_set))
        await asyncio.sleep(BEFORE_S)
        before = len(load.successes)
        primary = await asyncio.to_thread(mongo.primary)
        killed = loop.time()
        await asyncio.to_thread(mongo.kill, primary)
        dead = loop.time()
        while not any(at > dead for at in load.successes):
            await asyncio.sleep(0.01)
            assert loop.time() - killed < 4 * RECOVERY_S_MAX
        first = next(at for at in load.successes if at > dead)
        await asyncio.sleep(AFTER_S)
        stop.set()
        await running
        documents = {document["_id"]: document async for document in ledger.database["transactions"].find({})}
        deliveries = {document["_id"]: document async for document in ledger.database["deliveries"].find({})}
    assert before * BATCH / BEFORE_S >= 500
    assert first - killed <= RECOVERY_S_MAX
    assert load.failures > 0
    assert set(documents) == {f"autopay:{tx_id}" for tx_id in load.payments}
    for tx_id, sent in load.payments.items():
        document = documents[f"autopay:{tx_id}"]
        [event] = document["events"]
        assert (event["event_id"], document["version"]) == ("e-1", 1)
        # The time at the payment is that of the attempt which wrote it, by the clock that the attempts were noted with.
        wrote, last = sent.attempt_at(int(document["recorded_at"])), len(sent.bodies) - 1
        outcome = ledger_pb2.OUTCOME_CREATED if wrote == last else ledger_pb2.OUTCOME_DUPLICATE
        assert sent.outcome == outcome, tx_id
        # Only what was written by half, and so acknowledged to nobody, gives way to the attempt that was acknowledged.
        first = wrote if key_of(sent.bodies[wrote]) in deliveries else last
        assert bytes(deliveries[event["delivery"]]["body"]) == sent.bodies[first], tx_id
        assert key_of(sent.bodies[last]) in deliveries
    outcomes = Counter(sent.outcome for sent in load.payments.values())
    assert outcomes.total() == len(load.payments)
