"""A ledger on memory behind a real port, and what is sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, money_pb2, payment_pb2

from mesh.channel import call
from tests.fakes.ledger_items import NOW_MS
from tests.unit.ledger.rig import Rig

Item = ledger_pb2.RecordItem


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger on memory behind a real port."""

    rig: Rig
    stub: Any

    async def record(self, *items: Item) -> list[ledger_pb2.RecordResult]:
        """Record one batch."""
        response = await call(self.stub.Record, ledger_pb2.RecordRequest(items=items), timeout_s=5)
        return list(response.results)


def fact(tx_id: str = "T-1", event_id: str = "e-1", **fields: Any) -> payment_pb2.PaymentEvent:
    """Return an event, by default a capture of 10.00 EUR."""
    facts: dict[str, Any] = {
        "kind": payment_pb2.EVENT_KIND_CAPTURED,
        "amount": money_pb2.Money(minor_units=1_000, currency="EUR", exponent=2),
        "amount_fixed": True,
        "sender_account": "payer",
        "receiver_account": "shop",
        "event_time_ms": NOW_MS,
        "event_time_signed": True,
        **fields,
    }
    return payment_pb2.PaymentEvent(tx_id=tx_id, event_id=event_id, **facts)


def item(delivery_id: str, *facts: payment_pb2.PaymentEvent, **fields: Any) -> Item:
    """Return an item with a delivery of its own."""
    arrived = delivery_pb2.Delivery(
        delivery_id=delivery_id,
        source="autopay",
        provider="autopay",
        body=delivery_id.encode(),
        headers=[delivery_pb2.Header(name="user-agent", value=b"\xff")],
        key_id="k1",
        received_at_ms=NOW_MS,
    )
    events = [ledger_pb2.RecordEvent(event=each) for each in facts]
    return Item(**{"delivery_id": delivery_id, "source": "autopay", "delivery": arrived, "events": events, **fields})
