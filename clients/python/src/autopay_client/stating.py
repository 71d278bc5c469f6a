"""Stating facts: payment events and the items that carry them to Record."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import money_pb2, payment_pb2, risk_pb2

from autopay_client.words import BASIS, DISPUTE_REASON, KIND

Instant = datetime | int


def event(
    tx_id: str,
    kind: str | int,
    amount: money_pb2.Money | None = None,
    *,
    event_id: str = "",
    object_id: str = "",
    basis: str | int = "",
    amount_fixed: bool = False,
    sender: str = "",
    receiver: str = "",
    time: Instant = 0,
    time_signed: bool = False,
    description: str = "",
    aliases: Sequence[str] = (),
    dispute_reason: str = "",
) -> payment_pb2.PaymentEvent:
    """Return one fact about a payment; PaymentEvent in payment.proto has the rules of each field.

    Args:
        tx_id: the payment's id within its source.
        kind: what happened: "captured", "refunded", "dispute_opened" and so on.
        amount: as `money` makes it.
        event_id: the id by which a repeat is known; without one, the same facts are the same event, and two equal
            refunds would be one.
        object_id: the refund, capture or dispute the amount belongs to.
        basis: "delta" (the default) adds the amount, "cumulative" states the total so far.
        amount_fixed: whether the amount is the whole payment's, which may then never differ.
        sender: the paying account.
        receiver: the paid account.
        time: when it happened, aware or in milliseconds since the Unix epoch.
        time_signed: whether the time can be trusted to order events.
        description: free text.
        aliases: other ids of the payment.
        dispute_reason: why it is disputed: "fraud", "not_received" and so on.

    Raises:
        ValueError: a word is none of the contract's, or the time has no zone.
    """
    return payment_pb2.PaymentEvent(
        tx_id=tx_id,
        event_id=event_id,
        kind=KIND.number(kind),  # type: ignore[arg-type]  # an enum's number
        object_id=object_id,
        amount=amount,
        basis=BASIS.number(basis),  # type: ignore[arg-type]
        amount_fixed=amount_fixed,
        sender_account=sender,
        receiver_account=receiver,
        event_time_ms=milliseconds(time),
        event_time_signed=time_signed,
        description=description,
        aliases=aliases,
        dispute_reason=DISPUTE_REASON.number(dispute_reason),  # type: ignore[arg-type]
    )


def item(
    source: str, *events: payment_pb2.PaymentEvent, delivery_id: str = "", risk: risk_pb2.Risk | None = None
) -> ledger_pb2.RecordItem:
    """Return events of one source as an item, which is recorded or fails as one.

    Args:
        source: the namespace of the payment's ids.
        events: 1 to 100.
        delivery_id: names this attempt to record something; a repeat under the same id gets the first answer. Made
            where not given, so an item may be sent again as often as wanted.
        risk: how risky the events are, where something scored them.
    """
    wrapped = [ledger_pb2.RecordEvent(event=each, risk=risk) for each in events]
    return ledger_pb2.RecordItem(delivery_id=delivery_id or uuid.uuid4().hex, source=source, events=wrapped)


def milliseconds(instant: Instant | None) -> int:
    """Return an instant in milliseconds since the Unix epoch, 0 for None.

    Raises:
        ValueError: a datetime without a zone, which is no instant.
    """
    if instant is None:
        return 0
    if isinstance(instant, int):
        return instant
    if instant.tzinfo is None:
        raise ValueError("a time needs a zone: datetime.now(UTC), not datetime.now()")
    # In whole numbers: a float of seconds would be off by a millisecond now and then.
    return (instant - _EPOCH) // timedelta(milliseconds=1)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
