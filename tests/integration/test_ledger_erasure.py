"""Erasing one account's raw bytes on a real ledger: gone from storage, the facts stay, nobody else's are touched."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, payment_pb2

from mesh.errors import from_rpc_error
from tests.ledgers import RunningLedger, captured, recorded, refunded, running_ledger

SECRET_WORDS = b"Alice Liddell, 7 Rabbit Hole"


@pytest.fixture
async def ledger(mongo_url: str) -> AsyncIterator[RunningLedger]:
    """A ledger on a fresh database."""
    async with running_ledger(mongo_url) as running:
        yield running


async def deliver(ledger: RunningLedger, body: bytes, *events: payment_pb2.PaymentEvent, **fields: Any) -> str:
    """Record a delivery of these events and return its id."""
    item = recorded(captured("unused"))
    del item.events[:]
    item.events.extend([ledger_pb2.RecordEvent(event=event) for event in events])
    headers = [delivery_pb2.Header(name="x-signature", value=b"signed-by-alice")]
    item.delivery.CopyFrom(
        delivery_pb2.Delivery(source="autopay", provider="autopay", body=body, headers=headers, received_at_ms=1)
    )
    if "disposition" in fields:
        item.disposition = fields["disposition"]
    answer = await ledger.stub.Record(ledger_pb2.RecordRequest(items=[item]), timeout=10)
    assert not answer.results[0].HasField("error"), answer
    return f"autopay:{hashlib.sha256(body).hexdigest()}"


async def erase(ledger: RunningLedger, account: str) -> list[ledger_pb2.EraseDeliveriesResponse]:
    """Erase page by page until there are no more."""
    pages: list[ledger_pb2.EraseDeliveriesResponse] = []
    token = ""
    while not pages or token:
        request = ledger_pb2.EraseDeliveriesRequest(
            account=account, author="dpo@example.com", note="request 17", page_token=token
        )
        pages.append(await ledger.stub.EraseDeliveries(request, timeout=30))
        token = pages[-1].next_page_token
    return pages


async def stored(ledger: RunningLedger, key: str) -> dict[str, Any]:
    """A delivery as it is stored."""
    document: dict[str, Any] = await ledger.database["deliveries"].find_one({"_id": key})
    return document


async def test_an_accounts_bytes_are_gone_and_the_facts_stay(ledger: RunningLedger) -> None:
    """Every delivery of its payments, as payer or as paid, repeats with other bytes and conflicts included."""
    paid = captured("T-1", sender_account="alice", receiver_account="shop")
    keys = [await deliver(ledger, b'{"n":1} ' + SECRET_WORDS, paid)]
    # The same event in other bytes: a duplicate that no payment refers to.
    keys.append(await deliver(ledger, b'{"n":2} ' + SECRET_WORDS, paid))
    keys.append(await deliver(ledger, b'{"n":3} ' + SECRET_WORDS, refunded("T-1", 100)))
    contradicting = captured("T-1", 9_999, event_id=paid.event_id, sender_account="alice", receiver_account="shop")
    keys.append(await deliver(ledger, b'{"n":4} ' + SECRET_WORDS, contradicting))
    keys.append(
        await deliver(
            ledger, b'{"n":5} ' + SECRET_WORDS, captured("T-2", sender_account="bob", receiver_account="alice")
        )
    )
    others = await deliver(ledger, b"of others", captured("T-3", sender_account="bob", receiver_account="shop"))
    before = await ledger.stub.GetTransaction(
        ledger_pb2.GetTransactionRequest(source="autopay", tx_id="T-1", view=ledger_pb2.TRANSACTION_VIEW_FULL),
        timeout=10,
    )
    (page,) = await erase(ledger, "alice")
    assert (page.payments, page.erased, list(page.held_ids)) == (2, 5, [])
    for key in keys:
        left = await stored(ledger, key)
        assert {"body", "headers", "sealing", "traceparent"}.isdisjoint(left)
        assert left["erased_at"]
        assert left["transactions"]
        assert SECRET_WORDS not in repr(left).encode()
    assert (await stored(ledger, others))["body"] == b"of others"
    after = await ledger.stub.GetTransaction(
        ledger_pb2.GetTransactionRequest(source="autopay", tx_id="T-1", view=ledger_pb2.TRANSACTION_VIEW_FULL),
        timeout=10,
    )
    assert after == before


async def test_the_same_bytes_arriving_again_are_a_duplicate_and_do_not_come_back(ledger: RunningLedger) -> None:
    """A provider's late retry is recognised by its hash, and counts."""
    event = captured("T-1")
    key = await deliver(ledger, SECRET_WORDS, event)
    await erase(ledger, "alice")
    await deliver(ledger, SECRET_WORDS, event)
    left = await stored(ledger, key)
    assert "body" not in left
    assert left["count"] == 2


async def test_erasing_again_finds_nothing(ledger: RunningLedger) -> None:
    """A request that was lost may be sent again."""
    await deliver(ledger, SECRET_WORDS, captured("T-1"))
    assert [page.erased for page in await erase(ledger, "alice")] == [1]
    assert [page.erased for page in await erase(ledger, "alice")] == [0]


async def test_an_account_with_many_payments_is_erased_page_by_page(ledger: RunningLedger) -> None:
    """Each call is bounded, and together they reach every payment once."""
    for number in range(120):
        await deliver(ledger, b"%d" % number + SECRET_WORDS, captured(f"T-{number}"))
    pages = await erase(ledger, "alice")
    assert [page.payments for page in pages] == [50, 50, 20]
    assert sum(page.erased for page in pages) == 120
    assert await ledger.database["deliveries"].count_documents({"body": {"$exists": True}}) == 0


async def test_what_waits_to_be_run_again_is_held(ledger: RunningLedger) -> None:
    """Its payment facts are still only in its bytes; it is named, to be erased when it has been run."""
    event = captured("T-1")
    key = await deliver(ledger, SECRET_WORDS, event)
    await ledger.database["deliveries"].update_one({"_id": key}, {"$set": {"disposition": "waiting"}})
    (page,) = await erase(ledger, "alice")
    assert (page.erased, list(page.held_ids)) == (0, [key])
    assert (await stored(ledger, key))["body"] == SECRET_WORDS


async def test_an_erased_delivery_is_listed_as_erased_and_can_be_dismissed(ledger: RunningLedger) -> None:
    """A conflict whose bytes are gone is still decided about, by its facts."""
    paid = captured("T-1")
    await deliver(ledger, b"first", paid)
    key = await deliver(ledger, b"second", captured("T-1", 9_999, event_id=paid.event_id))
    await erase(ledger, "alice")
    listed = await ledger.stub.ListDeliveries(ledger_pb2.ListDeliveriesRequest(with_body=True), timeout=10)
    (delivery,) = listed.deliveries
    assert (delivery.id, delivery.erased, delivery.delivery.body) == (key, True, b"")
    request = ledger_pb2.ResolveDeliveryRequest(
        id=key, resolution=ledger_pb2.RESOLUTION_DISMISS, author="ann", note="wrong amount"
    )
    resolved = await ledger.stub.ResolveDelivery(request, timeout=10)
    assert resolved.delivery.disposition == ledger_pb2.DISPOSITION_DISMISSED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", ""),
        ("account", "a" * 51),
        ("account", "a b"),
        ("author", ""),
        ("author", "  "),
        ("author", "x" * 101),
        ("note", ""),
        ("note", "x" * 501),
        ("note", "a\0b"),
        ("page_token", "nonsense"),
    ],
)
async def test_a_wrong_field_is_named(ledger: RunningLedger, field: str, value: str) -> None:
    """INVALID_ARGUMENT, and nothing is erased."""
    request = ledger_pb2.EraseDeliveriesRequest(account="alice", author="ann", note="why")
    setattr(request, field, value)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ledger.stub.EraseDeliveries(request, timeout=10)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert from_rpc_error(refused.value).fields[0].field == field


async def test_a_token_of_another_account_is_refused(ledger: RunningLedger) -> None:
    """Pages of one account can't be mistaken for another's."""
    await ledger.record(*(captured(f"T-{number}") for number in range(51)))
    first = await ledger.stub.EraseDeliveries(
        ledger_pb2.EraseDeliveriesRequest(account="alice", author="ann", note="why"), timeout=10
    )
    assert first.next_page_token
    request = ledger_pb2.EraseDeliveriesRequest(
        account="bob", author="ann", note="why", page_token=first.next_page_token
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ledger.stub.EraseDeliveries(request, timeout=10)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
