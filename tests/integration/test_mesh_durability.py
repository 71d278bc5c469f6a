"""No 2xx before durability: with a majority frozen nothing is acknowledged, and later nothing is doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from autopay_cli.embedded_mongo import EmbeddedMongo
from tests.integration.conftest import StartMesh
from tests.mesh_audit import auditing
from tests.mesh_traffic import Sender, fresh_payments, new_tx_id, payment, sending_to

pytestmark = pytest.mark.timed

ANSWER_S_MAX = 2.0
RECOVERY_S_MAX = 30.0


@contextmanager
def frozen_secondaries(mongo: EmbeddedMongo) -> Iterator[None]:
    """Only the primary goes on, which then has no majority to make anything durable."""
    primary = mongo.primary()
    secondaries = [index for index in range(3) if index != primary]
    for index in secondaries:
        mongo.freeze(index)
    try:
        yield
    finally:
        for index in secondaries:
            mongo.thaw(index)


async def assert_nothing_is_acknowledged(sender: Sender, bodies: list[bytes]) -> None:
    """Every one of these is answered 503 with Retry-After in time."""
    replies = await asyncio.gather(*(sender.send(body) for body in bodies))
    assert all(reply.asks_again for reply in replies), [(reply.status, reply.fields) for reply in replies]
    assert max(reply.took_s for reply in replies) <= ANSWER_S_MAX


@pytest.mark.slow
async def test_nothing_is_acknowledged_without_a_majority(
    start_mongo: Callable[..., EmbeddedMongo], start_mesh: StartMesh
) -> None:
    """With both secondaries frozen, fresh, repeated and updated payments get 503; thawed, each is stored once."""
    mongo = start_mongo(members=3)
    mesh = start_mesh(mongo.url)
    known = fresh_payments(20)
    ids = [new_tx_id("moving") for _ in range(20)]
    pending = {tx_id: payment(tx_id, status="pending", event_id=f"{tx_id}-1") for tx_id in ids}
    captured = {tx_id: payment(tx_id, status="captured", event_id=f"{tx_id}-2") for tx_id in ids}
    fresh = fresh_payments(20)
    kinds = [list(fresh.values()), list(known.values()), list(captured.values())]
    async with sending_to(mesh) as sender:
        before = await sender.send_all([*known.values(), *pending.values()])
        assert {reply.status for reply in before} == {200}
        with frozen_secondaries(mongo):
            # Each kind alone: a fresh payment's failing insert must not be what refuses the others.
            for bodies in kinds:
                await assert_nothing_is_acknowledged(sender, bodies)
            # By now the primary has stepped down, which is another way to have no majority.
            await asyncio.sleep(2.5)
            for bodies in kinds:
                await assert_nothing_is_acknowledged(sender, bodies)
        for body in (body for bodies in kinds for body in bodies):
            await sender.send_until_accepted(body, timeout_s=RECOVERY_S_MAX)
    with auditing(mesh.mongo_url) as audit:
        audit.assert_stored_once({tx_id: [body] for tx_id, body in {**known, **fresh}.items()})
        audit.assert_stored_once({tx_id: [pending[tx_id], captured[tx_id]] for tx_id in ids})
        assert {payment["status"] for payment in audit.payments(ids).values()} == {"success"}
        assert audit.transactions.count_documents({}) == 60
        assert audit.event_count() == 80


@pytest.mark.slow
async def test_a_killed_primary_loses_nothing_acknowledged(
    start_mongo: Callable[..., EmbeddedMongo], start_mesh: StartMesh
) -> None:
    """While the primary is killed and another takes over, answers are 2xx or 503, and every 2xx is kept."""
    mongo = start_mongo(members=3)
    mesh = start_mesh(mongo.url)
    payments = fresh_payments(2_000)
    bodies = list(payments.values())
    async with sending_to(mesh) as sender:
        sending = asyncio.create_task(sender.send_all(bodies, concurrency=16))
        await asyncio.sleep(0.4)
        killed = mongo.primary()
        mongo.kill(killed)
        replies = await sending
        assert all(reply.status == 200 or reply.asks_again for reply in replies)
        refused = [body for body, reply in zip(bodies, replies, strict=True) if reply.status != 200]
        assert refused, "the primary was killed too late to matter"
        await sender.send_until_accepted(refused[0], timeout_s=RECOVERY_S_MAX)
        for body in refused:
            await sender.send_until_accepted(body, timeout_s=RECOVERY_S_MAX)
    with auditing(mesh.mongo_url) as audit:
        audit.assert_stored_once({tx_id: [body] for tx_id, body in payments.items()})
        assert audit.event_count() == len(payments)
