"""Two replicas of the ledger that are told the same things at once, each in an order of its own."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from mesh.tracing import Tracing
from services.ledger.adapters import indexes, mongo
from services.ledger.adapters.documents import to_payment
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.folding import apply
from services.ledger.model import Event, EventKind, Failure, Item, Outcome, Payment
from services.ledger.recording import Recorder
from services.ledger.spans import SpanMaker
from tests.fakes.ledger_items import event, item, refund
from tests.ledgers import clock_ms

K = EventKind
PAYMENTS = 2_000
EVENTS = 10_000
_FIRST = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.STALE})


def story(number: int) -> list[Event]:
    """Five events of one payment, some of which depend on each other."""
    tx_id, cents = f"T-{number}", 1_000 + number
    nothing: dict[str, Any] = {"amount": None, "currency": "", "exponent": 0, "amount_fixed": False}
    return [
        event(tx_id, "e-0", kind=K.PENDING, amount=cents),
        event(tx_id, "e-1", amount=cents),
        refund("e-2", 100, tx_id=tx_id, object_id="r-1"),
        refund("e-3", 200 + number % 7, tx_id=tx_id, object_id="r-2"),
        event(tx_id, "e-4", kind=K.REFUND_FAILED, object_id="r-1", **nothing)
        if number % 2
        else event(tx_id, "e-4", kind=K.FAILED, **nothing),
    ]


def expected(number: int) -> Payment:
    """A payment as its events fold, in any order."""
    payment = None
    for each in story(number):
        payment, _, _ = apply(payment, each, source="autopay", delivery="", delivery_id="", now_ms=0)
    assert payment is not None
    return payment


class Replica:
    """A recorder with a client of its own, and what it answered to each event."""

    def __init__(self, name: str, url: str) -> None:
        """Connect."""
        self.name = name
        self.client = mongo.connect(url, pool_min=1, pool_max=8, budget_s=10)
        self.database = mongo.database_of(self.client, url)
        self.recorder = Recorder(
            MongoPayments(mongo.durable(self.database, "transactions", wtimeout_s=10)),
            MongoDeliveries(mongo.durable(self.database, "deliveries", wtimeout_s=10)),
            clock_ms=clock_ms,
            spans=SpanMaker(Tracing(None, ratio=0)),
        )
        self.outcomes: dict[tuple[str, str], list[Outcome]] = {}
        self.retried = 0

    async def record_all(self, events: Sequence[Event], *, seed: int) -> None:
        """Record every event in an order and batches of its own, two batches at once; retry what was outrun."""
        draw = random.Random(seed)
        arrival = list(events)
        draw.shuffle(arrival)
        queue = [arrival[start : start + 200] for start in range(0, len(arrival), 200)]

        async def work() -> None:
            while queue:
                await self._record([self._item(each) for each in queue.pop()])

        await asyncio.gather(work(), work())

    def _item(self, each: Event) -> Item:
        # The same bytes reach both replicas, as when a sender tries again at another one.
        return item(f"{self.name}-{each.tx_id}-{each.event_id}", each, body=f"{each.tx_id} {each.event_id}".encode())

    async def _record(self, items: list[Item]) -> None:
        while items:
            results = await self.recorder.record(items)
            again = []
            for each, result in zip(items, results, strict=True):
                if result.failure is not None:
                    assert result.failure is Failure.CONTENDED
                    again.append(each)
                    continue
                [answer] = result.events
                self.outcomes.setdefault((answer.tx_id, answer.event_id), []).append(answer.outcome)
            self.retried += len(again)
            items = again


@pytest.mark.slow
async def test_the_same_events_at_two_replicas_in_different_orders(mongo_url: str) -> None:
    """Every payment ends in its right state, each event in it once, new to one replica and known to the other."""
    events = [each for number in range(PAYMENTS) for each in story(number)]
    assert len(events) == EVENTS
    one, two = Replica("a", mongo_url), Replica("b", mongo_url)
    with ExitStack() as stack:
        for replica in (one, two):
            stack.callback(replica.client.close)
        await indexes.ensure(one.database)
        await asyncio.gather(one.record_all(events, seed=1), two.record_all(events, seed=2))
        stored = {document["_id"]: to_payment(document) async for document in one.database["transactions"].find({})}
        deliveries: list[dict[str, Any]] = await one.database["deliveries"].find({}, {"body": 0}).to_list(None)
    assert len(stored) == PAYMENTS
    for number in range(PAYMENTS):
        payment, right = stored[f"autopay:T-{number}"], expected(number)
        assert sorted(each.event.event_id for each in payment.events) == [f"e-{place}" for place in range(5)]
        assert (payment.status, payment.totals, payment.flags) == (right.status, right.totals, right.flags)
        assert (payment.amount, payment.version) == (right.amount, 5)
    both = {name: Counter([*one.outcomes[name], *two.outcomes[name]]) for name in one.outcomes}
    assert len(both) == len(two.outcomes) == EVENTS
    for name, outcomes in both.items():
        assert outcomes.total() == 2, name
        assert outcomes[Outcome.DUPLICATE] == 1, name
    created = Counter(name[0] for name, outcomes in both.items() if outcomes[Outcome.CREATED])
    assert created == {f"T-{number}": 1 for number in range(PAYMENTS)}
    assert sum(outcomes[each] for outcomes in both.values() for each in _FIRST) == EVENTS
    assert len(deliveries) == EVENTS
    assert {delivery["count"] for delivery in deliveries} == {2}
    assert {delivery["disposition"] for delivery in deliveries} <= {"recorded", "duplicate"}
