"""Recording over each store: the same answers and the same payments, alone and against other writers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from mesh.tracing import Tracing
from services.ledger.model import EventKind, Item, Outcome, Payment
from services.ledger.recording import Recorder
from services.ledger.spans import SpanMaker
from tests.contract.conftest import Stores
from tests.fakes.ledger_items import NOW_MS, event, item, refund, stated
from tests.unit.ledger.rig import Rig


def recorder_of(stores: Stores) -> Recorder:
    """Return a recorder on the stores, as one replica has it."""
    spans = SpanMaker(Tracing(None, ratio=0))
    return Recorder(stores.payments, stores.deliveries, clock_ms=lambda: NOW_MS, spans=spans)


def story(tx_id: str) -> list[Item]:
    """Return what happens to one payment, with repeats, a contradiction and poison."""
    return [
        item(f"{tx_id}-d1", event(tx_id, kind=EventKind.AUTHORIZED)),
        item(f"{tx_id}-d2", event(tx_id, "e-2")),
        item(f"{tx_id}-d3", event(tx_id, "e-2"), body=f"{tx_id}-d2".encode()),
        item(f"{tx_id}-d4", refund("e-3", 300, tx_id=tx_id)),
        item(f"{tx_id}-d5", event(tx_id, "e-3", amount=7)),
        item(f"{tx_id}-d6", event(tx_id, "e-4", kind=EventKind.PENDING, amount=2**70, amount_fixed=False)),
        item(f"{tx_id}-d7", refund("e-5", 700, tx_id=tx_id), event(tx_id, "e-6", kind=EventKind.PENDING)),
        stated(f"{tx_id}-d8", refund("e-5", 700, tx_id=tx_id)),
    ]


async def payments_of(stores: Stores, count: int) -> dict[str, Payment]:
    """Return the payments T-0 to T-count as they are stored."""
    return dict(await stores.payments.read_durable([f"autopay:T-{number}" for number in range(count)]))


async def test_every_store_gives_the_same_answers_and_keeps_the_same_payments(stores: Stores) -> None:
    """A shuffled history of ten payments, in batches of all sizes, ends alike in memory and on MongoDB."""
    chance = random.Random(7)
    arrivals = [each for number in range(10) for each in story(f"T-{number}")]
    chance.shuffle(arrivals)
    rig, recorder = Rig(), recorder_of(stores)
    while arrivals:
        size = chance.choice([1, 2, 5, 30])
        batch, arrivals = arrivals[:size], arrivals[size:]
        expected = await rig.recorder.record(batch)
        assert await recorder.record(batch) == expected
    assert await payments_of(stores, 10) == {key: rig.payments.get(key) for key in rig.payments.documents}
    for key, document in rig.deliveries.documents.items():
        stored = await stores.delivery_document(key)
        assert stored is not None
        assert (stored["count"], stored["disposition"]) == (document["count"], document["disposition"])


async def test_writers_that_record_the_same_at_once_store_each_event_once(stores: Stores) -> None:
    """Four replicas get the same forty deliveries at the same time: each event is stored once, and created once."""
    events = [event(f"T-{number}") for number in range(20)] + [
        refund("e-2", 300, tx_id=f"T-{number}") for number in range(20)
    ]
    replicas = [recorder_of(stores) for _ in range(4)]

    async def deliver(replica: int) -> list[Outcome]:
        order = [stated(f"d-{replica}-{place}", each) for place, each in enumerate(events)]
        random.Random(replica).shuffle(order)
        outcomes: list[Outcome] = []
        while order:
            results = await replicas[replica].record(order[:10])
            outcomes += [each.outcome for result in results for each in result.events]
            # What is given back may be sent again.
            order[:10] = [sent for sent, result in zip(order, results, strict=False) if result.failure is not None]
        return outcomes

    counts = Counter(outcome for each in await asyncio.gather(*map(deliver, range(4))) for outcome in each)
    assert counts[Outcome.CREATED] == 20
    assert counts.total() == 160
    stored = await payments_of(stores, 20)
    assert len(stored) == 20
    for payment in stored.values():
        assert sorted(each.event.event_id for each in payment.events) == ["e-1", "e-2"]
        assert payment.version == 2
        assert payment.totals.refunded == 300
        assert payment.totals.captured == 1_000
