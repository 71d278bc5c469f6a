"""The whole mesh under plain traffic: everything accepted is stored once, to the cent."""

from __future__ import annotations

import random
from collections import Counter

import aiohttp
import pytest

from tests.mesh_audit import auditing
from tests.mesh_processes import API_KEY, RunningMesh
from tests.mesh_traffic import fresh_payments, new_tx_id, payment, sending_to

PAYMENTS = 5_000
CONCURRENCY = 64
ATTEMPTS_MAX = 200


async def test_a_signed_payment_comes_back_stored_scored_and_traced(mesh: RunningMesh) -> None:
    """A signed webhook is answered with what was stored, its risk and its trace, and can be read by its id."""
    async with sending_to(mesh) as sender:
        # On a busy machine a score may be late for its 25 ms, and the payment goes on without it.
        for _ in range(ATTEMPTS_MAX):
            tx_id = new_tx_id()
            reply = await sender.send(payment(tx_id, amount="99.95"))
            assert reply.status == 200
            expected = {"status": "processed", "tx_id": tx_id, "outcome": "CREATED", "transaction_status": "success"}
            assert expected.items() <= reply.fields.items()
            assert len(reply.fields["trace_id"]) == 32
            if reply.fields["risk"]:
                break
    assert 0 <= reply.fields["risk"]["score"] <= 1
    assert all(reason["sentence"] for reason in reply.fields["risk"]["reasons"])
    async with (
        aiohttp.ClientSession(mesh.url, headers={"X-API-Key": API_KEY}) as session,
        session.get(f"/transaction/{tx_id}") as response,
    ):
        stored = await response.json()
    assert response.status == 200, stored
    assert (stored["amount"], stored["currency"], stored["status"]) == ("99.95", "USD", "success")
    assert stored["risk"] == reply.fields["risk"]


@pytest.mark.slow
async def test_concurrent_repeats_are_stored_once(mesh: RunningMesh) -> None:
    """Of 5,000 payments at concurrency 64, every tenth sent twice at once, each is stored once and sums are exact."""
    source = random.Random(5_000)
    amounts = [source.randint(1, 10**9) for _ in range(PAYMENTS)]
    bodies = {}
    for number, amount in enumerate(amounts):
        tx_id = new_tx_id()
        bodies[tx_id] = payment(tx_id, amount=f"{amount // 100}.{amount % 100:02}", sender=f"payer-{number % 500}")
    with auditing(mesh.mongo_url) as audit:
        before = (audit.transactions.count_documents({}), audit.event_count(), audit.captured_minor_units())
        requests = []
        for number, body in enumerate(bodies.values()):
            # Next to each other, both are on their way at once.
            requests += [body, body] if number % 10 == 0 else [body]
        async with sending_to(mesh) as sender:
            replies = await sender.send_all(requests, concurrency=CONCURRENCY)
        assert Counter(reply.status for reply in replies) == {200: len(requests)}
        words = Counter(reply.fields["status"] for reply in replies)
        assert words == {"processed": PAYMENTS, "already_processed": PAYMENTS // 10}
        after = (audit.transactions.count_documents({}), audit.event_count(), audit.captured_minor_units())
        assert after == (before[0] + PAYMENTS, before[1] + PAYMENTS, before[2] + sum(amounts))
        audit.assert_stored_once({tx_id: [body] for tx_id, body in bodies.items()})
        counts = audit.deliveries.aggregate([{"$group": {"_id": None, "n": {"$sum": "$count"}}}])
        assert next(iter(counts))["n"] >= len(requests)


async def test_the_same_facts_in_other_bytes_are_one_event(mesh: RunningMesh) -> None:
    """A sender that signs a retry anew, with other bytes, gets the first answer's event; the first bytes stay."""
    [(tx_id, first)] = fresh_payments(1).items()
    async with sending_to(mesh) as sender:
        replies = [await sender.send(body) for body in (first, first + b" ", first)]
    assert [reply.fields["status"] for reply in replies] == ["processed", "already_processed", "already_processed"]
    assert len({reply.fields["event_id"] for reply in replies}) == 1
    with auditing(mesh.mongo_url) as audit:
        audit.assert_stored_once({tx_id: [first]})
