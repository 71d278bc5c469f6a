"""Items to record, with everything that a test does not care about filled in."""

from __future__ import annotations

import hashlib
from typing import Any

from services.ledger.model import Delivery, Disposition, Event, EventKind, Item, content_hash

NOW_MS = 1_700_000_000_000


def event(tx_id: str = "T-1", event_id: str = "e-1", **fields: Any) -> Event:
    """Return an event, by default a capture of 10.00 EUR, with the hash of its facts."""
    facts: dict[str, Any] = {
        "kind": EventKind.CAPTURED,
        "amount": 1_000,
        "currency": "EUR",
        "exponent": 2,
        "amount_fixed": True,
        "sender": "payer",
        "receiver": "shop",
        "time_ms": NOW_MS,
        "time_signed": True,
        **fields,
    }
    made = Event(tx_id=tx_id, event_id=event_id, **facts)
    content = content_hash(
        made.tx_id,
        made.kind,
        made.object_id,
        made.amount,
        made.currency,
        made.cumulative,
        made.sender,
        made.receiver,
        made.description,
    )
    return Event(tx_id=tx_id, event_id=event_id, content=content, **facts)


def refund(event_id: str, amount: int, *, tx_id: str = "T-1", **fields: Any) -> Event:
    """Return a refund of so many cents."""
    return event(tx_id, event_id, kind=EventKind.REFUNDED, amount=amount, amount_fixed=False, **fields)


def delivery(body: bytes = b"{}", **fields: Any) -> Delivery:
    """Return what arrived with these bytes."""
    facts: dict[str, Any] = {
        "provider": "autopay",
        "headers": (("x-timestamp", b"1700000000"),),
        "key_id": "k1",
        "received_at_ms": NOW_MS,
        "signed_at_ms": NOW_MS,
        "traceparent": "",
        **fields,
    }
    return Delivery(body=body, **facts)


def item(delivery_id: str, *events: Event, body: bytes | None = None, source: str = "autopay", **fields: Any) -> Item:
    """Return an item whose bytes, unless given, are its own."""
    arrived = fields.pop("delivery", None) or delivery(delivery_id.encode() if body is None else body)
    return Item(delivery_id=delivery_id, source=source, delivery=arrived, events=events, **fields)


def stated(delivery_id: str, *events: Event, source: str = "autopay") -> Item:
    """Return an item without a delivery, as an internal service states it."""
    return Item(delivery_id=delivery_id, source=source, delivery=None, events=events)


def unmapped(delivery_id: str, disposition: Disposition, *, body: bytes | None = None, detail: str = "") -> Item:
    """Return an item without events."""
    return item(delivery_id, body=body, disposition=disposition, detail=detail)


def key_of(body: bytes, source: str = "autopay") -> str:
    """Return under which key a delivery of these bytes is stored."""
    return f"{source}:{hashlib.sha256(body).hexdigest()}"
