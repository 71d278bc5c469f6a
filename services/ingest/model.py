"""Ingest's own words: deliveries, what is to be recorded of them, and the answer to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NewType

from msgspec import Struct

from providers.contract import Wrong

# What only the wire adapters look into. Encoded once, a message goes to insight and to the ledger as it is.
EventMessage = NewType("EventMessage", object)
DeliveryMessage = NewType("DeliveryMessage", object)
RiskMessage = NewType("RiskMessage", object)


class Disposition(IntEnum):
    """What became of a delivery; numbers of autopay.ledger.v1.Disposition."""

    UNSPECIFIED = 0
    RECORDED = 1
    DUPLICATE = 2
    IGNORED = 3
    UNPROCESSABLE = 4
    CONFLICT = 5
    WAITING = 6
    DISMISSED = 7


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """One verified request.

    Attributes:
        delivery_id: stamped by the edge; the same in every retry.
        source: the namespace of the payment's ids.
        provider: whose mapping applies.
        body: the signed bytes.
        headers: the kept ones by name in lower case; hints, never facts.
        received_at_ms: when the edge got it, milliseconds since the Unix epoch.
        traceparent: the edge's span, empty where there is none.
        message: the delivery as it came over the wire, for the ledger.
    """

    delivery_id: str
    source: str
    provider: str
    body: bytes
    headers: Mapping[str, bytes]
    received_at_ms: int
    traceparent: str
    message: DeliveryMessage


class Entry(Struct, frozen=True, kw_only=True, gc=False):
    """One delivery as it is to be recorded.

    Attributes:
        delivery: what arrived.
        events: what it means; none where it means nothing or can't be understood.
        traceparent: the span below which insight and the ledger put theirs.
        disposition: why there are no events, where there are none.
        wrong: every wrong field, where it can't be understood.
    """

    delivery: Delivery
    events: Sequence[EventMessage]
    traceparent: str
    disposition: Disposition = Disposition.UNSPECIFIED
    wrong: Sequence[Wrong] = ()


class EventOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """What the ledger did with one event.

    Attributes:
        tx_id: the payment's id within its source.
        event_id: the event's id, the ledger's own where the provider gave none.
        outcome: a number of autopay.ledger.v1.Outcome.
        status: the payment's afterwards, a number of autopay.type.v1.PaymentStatus.
        version: the payment's afterwards.
        conflict_field: what contradicts, where something does.
        risk: as stored with the payment.
    """

    tx_id: str
    event_id: str
    outcome: int
    status: int
    version: int
    conflict_field: str
    risk: RiskMessage | None


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    """What became of one delivery.

    Attributes:
        disposition: UNSPECIFIED where that is not known.
        durable: whether the ledger holds it; only then may a success be acknowledged.
        events: one outcome per event.
        reason: a name of autopay.type.v1.ErrorReason without its prefix; empty where nothing is wrong.
        wrong: every wrong field.
    """

    disposition: Disposition = Disposition.UNSPECIFIED
    durable: bool = False
    events: Sequence[EventOutcome] = ()
    reason: str = ""
    wrong: Sequence[Wrong] = ()
