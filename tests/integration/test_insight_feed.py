"""The ledger's feed as insight reads it, from a real server that breaks in every way a feed may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import structlog
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import payment_pb2

from mesh.channel import open_channel
from mesh.errors import Fault, Kind
from services.insight.adapters.ledger_feed import LedgerFeed
from services.insight.labels import Dispute, Label
from services.insight.model import Payment
from tests.fakes.insight_ledger import LEDGER, START_MS, LedgerPeer, created, disputed, serve_ledger


@pytest.fixture
def peer() -> LedgerPeer:
    """The ledger's side."""
    return LedgerPeer()


@pytest.fixture
async def feed(peer: LedgerPeer) -> AsyncIterator[LedgerFeed]:
    """Insight's side."""
    server, address = await serve_ledger(peer)
    channel = open_channel(address, service=LEDGER)
    yield LedgerFeed(
        ledger_pb2_grpc.LedgerServiceStub(channel), log=structlog.get_logger(), fraud_reasons=frozenset({1})
    )
    await channel.close()
    await server.stop()


async def read(feed: LedgerFeed, token: str, count: int) -> tuple[list[Payment], str]:
    """Read until `count` changes were told of; return the payments they opened, and the token after them."""
    payments: list[Payment] = []
    changes = 0
    async with asyncio.timeout(10), aclosing(feed.follow(token)) as pages:
        async for page in pages:
            payments.extend(page.payments)
            changes += page.changes
            if changes >= count:
                return payments, page.token
    raise AssertionError("the feed ended")


async def test_a_change_is_read_as_a_payment(feed: LedgerFeed, peer: LedgerPeer) -> None:
    """What opened a payment comes with its amount, its sender and the ledger's time; streams have a deadline."""
    peer.changes = [created(3, sender="ACC-1", minor_units=1_999)]
    payments, token = await read(feed, "", 1)
    assert payments == [Payment("autopay", "T-3", "ACC-1", "R", 1_999, "USD", START_MS + 3 * 60_000)]
    assert token == "1"
    assert 300 < peer.remaining_s[0] <= 600


async def test_only_new_payments_are_told(feed: LedgerFeed, peer: LedgerPeer) -> None:
    """An update, a refund and an event without an amount open no payment to learn; a declined attempt does."""
    updated = created(1)
    updated.outcome = ledger_pb2.OUTCOME_UPDATED
    refund = created(2, kind=payment_pb2.EVENT_KIND_REFUNDED)
    empty = created(3, minor_units=0)
    declined = created(4, kind=payment_pb2.EVENT_KIND_FAILED)
    captured = created(4)
    captured.outcome = ledger_pb2.OUTCOME_UPDATED
    pending = created(5, kind=payment_pb2.EVENT_KIND_PENDING)
    peer.changes = [updated, refund, empty, declined, captured, pending]
    payments, _ = await read(feed, "", 6)
    assert [payment.tx_id for payment in payments] == ["T-4", "T-5"]


async def test_disputes_are_told_apart_by_their_reason(feed: LedgerFeed, peer: LedgerPeer) -> None:
    """Fraud labels, another reason doesn't, the dispute's end takes it back; each with the payment's version."""
    peer.changes = [
        created(1),
        disputed(1, payment_pb2.DISPUTE_REASON_FRAUD, version=2),
        disputed(2, payment_pb2.DISPUTE_REASON_NOT_RECEIVED),
        disputed(1, payment_pb2.DISPUTE_REASON_FRAUD, kind=payment_pb2.EVENT_KIND_DISPUTE_WON, version=3),
    ]
    disputes: list[Dispute] = []
    async with asyncio.timeout(10), aclosing(feed.follow("")) as pages:
        async for page in pages:
            disputes += page.disputes
            if len(disputes) == 2:
                break
    assert disputes == [
        Dispute(source="autopay", tx_id="T-1", version=2, label=Label.FRAUD),
        Dispute(source="autopay", tx_id="T-1", version=3, label=Label.UNSURE),
    ]


async def test_the_feed_resumes_where_it_broke(feed: LedgerFeed, peer: LedgerPeer) -> None:
    """After an interruption it goes on behind the last page, with nothing twice and nothing missing."""
    peer.changes = [created(number, sender=f"S{number}") for number in range(30)]
    peer.page_changes = 10
    slow = Fault(kind=Kind.EXHAUSTED, reason="SLOW_READER", message="too slow", metadata={"resume_token": "10"})
    away = Fault(kind=Kind.UNAVAILABLE, reason="DEPENDENCY_DOWN", message="away")
    peer.faults = {10: [slow, away, away], 20: [away]}
    payments, _ = await read(feed, "0", 30)
    assert [payment.sender for payment in payments] == [f"S{number}" for number in range(30)]
    assert peer.tokens == ["0", "10", "10", "10", "20"]


@pytest.mark.parametrize("kind", [Kind.OUT_OF_RANGE, Kind.INVALID])
async def test_a_token_that_can_not_be_resumed_is_told(feed: LedgerFeed, peer: LedgerPeer, kind: Kind) -> None:
    """A token that is too old, or none, is the caller's to decide about."""
    peer.faults = {5: [Fault(kind=kind, reason="TOKEN_TOO_OLD", message="gone")]}
    with pytest.raises(Fault) as told:
        await read(feed, "5", 1)
    assert told.value.kind is kind
    assert told.value.reason == "TOKEN_TOO_OLD"


async def test_a_ledger_that_is_away_is_waited_for(peer: LedgerPeer) -> None:
    """A feed begun before there is a ledger works once there is one."""
    server, address = await serve_ledger(peer)
    await server.stop()
    channel = open_channel(address, service=LEDGER)
    feed = LedgerFeed(ledger_pb2_grpc.LedgerServiceStub(channel), log=structlog.get_logger())
    reading = asyncio.create_task(read(feed, "", 1))
    await asyncio.sleep(0.5)
    assert not reading.done()
    peer.changes = [created(1)]
    server, _ = await serve_ledger(peer, address)
    payments, _ = await reading
    assert len(payments) == 1
    await channel.close()
    await server.stop()
