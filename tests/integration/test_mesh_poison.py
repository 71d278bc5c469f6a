"""One delivery that can't be stored fails alone, whatever travels with it through the same batches."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Sequence

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from edge.settings import EdgeSettings
from mesh import tracing
from services.ledger.adapters import mongo
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.model import Delivery, Disposition, Event, EventKind, Failure, Item, content_hash
from services.ledger.recording import Recorder
from services.ledger.spans import SpanMaker
from tests.mesh_audit import auditing
from tests.mesh_processes import RunningMesh
from tests.mesh_traffic import Reply, fresh_payments, new_tx_id, payment, sending_to

pytestmark = pytest.mark.timed

GOOD = 255
BATCHES_OUT = EdgeSettings.model_fields["inflight_max"].default
HEADERS = (("content-type", b"application/json"),)
FACTS = '"currency":"USD","sender_account":"payer-1","receiver_account":"shop-1"'


def poison_body(tx_id: str, rest: str) -> bytes:
    """A native body as JSON text, so that it may hold what no honest sender writes."""
    return f'{{"tx_id":"{tx_id}",{FACTS},{rest}}}'.encode()


def edge_samples(mesh: RunningMesh, name: str) -> Sequence[Sample]:
    """What the edge's metrics say under a name."""
    with urllib.request.urlopen(f"http://{mesh.admin}/metrics", timeout=5) as response:
        text = response.read().decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return [sample for sample in samples if sample.name == name]


def queued(mesh: RunningMesh) -> float:
    """How many deliveries the edge has accepted and not answered."""
    return sum(sample.value for sample in edge_samples(mesh, "batch_queue_items"))


def largest_batch(mesh: RunningMesh) -> float:
    """The lower bound of the largest batch's size that the edge has sent."""
    buckets = {float(s.labels["le"]): s.value for s in edge_samples(mesh, "batch_items_bucket")}
    total = max(buckets.values())
    return max((bound for bound, count in buckets.items() if count < total), default=0)


async def until_queued(mesh: RunningMesh, count: int) -> None:
    """Return once the edge holds so many deliveries."""
    async with asyncio.timeout(5):
        while await asyncio.to_thread(queued, mesh) < count:  # noqa: ASYNC110 - another process's count
            await asyncio.sleep(0.01)


async def send_in_one_batch(mesh: RunningMesh, bodies: Sequence[bytes]) -> Sequence[Reply]:
    """Send all at once while ingest stands still, behind as many small batches as may be out: so they fill one."""
    async with sending_to(mesh) as sender:
        mesh.freeze("ingest")
        try:
            alone = []
            for body in fresh_payments(BATCHES_OUT).values():
                alone.append(asyncio.create_task(sender.send(body)))
                await until_queued(mesh, len(alone))
            sending = asyncio.create_task(sender.send_all(bodies, concurrency=len(bodies)))
            await until_queued(mesh, len(alone) + len(bodies))
        finally:
            mesh.thaw("ingest")
        await asyncio.gather(*alone)
        return await sending


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        (f'"amount":{2**70}', "amount"),
        (f'"amount":"{2**70}"', "amount"),
        (r'"amount":1,"description":"half a pair: \ud800"', "description"),
        (r'"amount":1,"event_id":"a\u0000b"', "event_id"),
        (r'"amount":1,"\ud800":1,"status":"\ud800"', "status"),
    ],
    ids=["2**70", "2**70 as text", "lone surrogate", "NUL in an id", "surrogate key"],
)
async def test_a_poison_delivery_fails_alone(mesh: RunningMesh, rest: str, field: str) -> None:
    """Among 255 good deliveries in flight at once, the one that can't be stored gets 422 and leaves no trace."""
    good = fresh_payments(GOOD)
    tx_id = new_tx_id("poison")
    poison = poison_body(tx_id, rest)
    bodies = list(good.values())
    bodies.insert(GOOD // 2, poison)
    replies = list(await send_in_one_batch(mesh, bodies))
    refused = replies.pop(GOOD // 2)
    assert refused.status == 422
    assert [error["field"] for error in refused.fields["errors"]] == [field]
    assert {reply.status for reply in replies} == {200}
    assert largest_batch(mesh) >= 128
    with auditing(mesh.mongo_url) as audit:
        audit.assert_stored_once({each: [body] for each, body in good.items()})
        audit.assert_absent([tx_id], [poison])


async def test_keys_that_mean_nothing_are_not_stored(mesh: RunningMesh) -> None:
    """A field no mapping knows, its name holding NUL, harms nobody: only the exact bytes keep it."""
    good = fresh_payments(GOOD)
    tx_id = new_tx_id("poison")
    odd = poison_body(tx_id, r'"amount":1,"a\u0000b":{"$where":"\u0000"},"description":"a\u0000b"')
    replies = await send_in_one_batch(mesh, [odd, *good.values()])
    assert {reply.status for reply in replies} == {200}
    with auditing(mesh.mongo_url) as audit:
        audit.assert_stored_once({**{each: [body] for each, body in good.items()}, tx_id: [odd]})
        document = audit.payments([tx_id])[tx_id]
    assert document["description"] == "ab"
    assert "$where" not in repr(document)
    assert "\\x00" not in repr({name: value for name, value in document.items() if name != "events"})


def event(tx_id: str, *, amount: int = 100, description: str = "") -> Event:
    """A capture as ingest would send it, without ingest's checks."""
    content = content_hash(tx_id, EventKind.CAPTURED, "", amount, "USD", False, "payer-1", "shop-1", description)
    return Event(
        tx_id=tx_id,
        event_id=f"h-{content.hex()}",
        kind=EventKind.CAPTURED,
        amount=amount,
        currency="USD",
        exponent=2,
        cumulative=True,
        amount_fixed=True,
        sender="payer-1",
        receiver="shop-1",
        description=description,
        content=content,
    )


def item(tx_id: str, *, headers: tuple[tuple[str, bytes], ...] = HEADERS, **facts: object) -> Item:
    """A delivery of one event as the ledger gets it."""
    delivery = Delivery(
        body=payment(tx_id),
        provider="autopay",
        headers=headers,
        key_id="k1",
        received_at_ms=1_700_000_000_000,
        signed_at_ms=1_700_000_000_000,
        traceparent="",
    )
    facts_of_event = event(tx_id, **facts)  # type: ignore[arg-type]
    return Item(delivery_id=f"d-{tx_id}", source="autopay", delivery=delivery, events=(facts_of_event,))


def recorder_on(client: AsyncIOMotorClient[dict[str, object]], mongo_url: str) -> Recorder:
    """The ledger's recorder as its composition root builds it."""
    database = mongo.database_of(client, mongo_url)
    return Recorder(
        MongoPayments(mongo.durable(database, "transactions", wtimeout_s=5)),
        MongoDeliveries(mongo.durable(database, "deliveries", wtimeout_s=5)),
        clock_ms=lambda: time.time_ns() // 1_000_000,
        spans=SpanMaker(tracing.configure("ledger")),
    )


@pytest.mark.parametrize(
    "poison",
    [
        item(new_tx_id("poison"), amount=2**70),
        item(new_tx_id("poison"), description="half a pair: \ud800"),
        item(new_tx_id("poison"), headers=(("x\0y", b"1"),)),
        item(new_tx_id("poison"), headers=(("\udfff", b"1"),)),
        item(new_tx_id("poison"), headers=(("x", b"1" * 1_100_000),)),
    ],
    ids=["2**70", "lone surrogate", "NUL key", "surrogate key", "oversize"],
)
async def test_the_ledger_itself_stores_all_but_the_poison(mongo_url: str, poison: Item) -> None:
    """An item that BSON can't hold is UNSTORABLE alone: 255 neighbours are stored, nothing of it is anywhere."""
    good = [item(new_tx_id()) for _ in range(GOOD)]
    batch = [*good[:100], poison, *good[100:]]
    client = mongo.connect(mongo_url, pool_min=1, pool_max=4, budget_s=5)
    try:
        results = await recorder_on(client, mongo_url).record(batch)
    finally:
        client.close()
    refused = results.pop(100)
    assert (refused.failure, refused.disposition, refused.events) == (Failure.UNSTORABLE, None, ())
    assert {(result.failure, result.disposition) for result in results} == {(None, Disposition.RECORDED)}
    with auditing(mongo_url) as audit:
        assert audit.transactions.count_documents({}) == audit.deliveries.count_documents({}) == GOOD
        audit.assert_stored_once({each.events[0].tx_id: [payment(each.events[0].tx_id)] for each in good})
        assert poison.delivery is not None
        audit.assert_absent([poison.events[0].tx_id], [poison.delivery.body])
