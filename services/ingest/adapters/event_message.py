"""A provider's event as the message that insight and the ledger take."""

from __future__ import annotations

from autopay.type.v1 import payment_pb2

from providers.contract import Event
from services.ingest.model import EventMessage


def encode(event: Event) -> EventMessage:
    """Return the event's message.

    Raises:
        ValueError: a number or text has no place in a message: beyond 64 bits, or not Unicode.
    """
    message = payment_pb2.PaymentEvent(
        tx_id=event.tx_id,
        event_id=event.event_id,
        kind=event.kind,  # type: ignore[arg-type]  # the numbers are the same
        object_id=event.object_id,
        basis=event.basis,  # type: ignore[arg-type]  # the numbers are the same
        amount_fixed=event.amount_fixed,
        sender_account=event.sender_account,
        receiver_account=event.receiver_account,
        event_time_ms=event.event_time_ms,
        event_time_signed=event.event_time_signed,
        description=event.description,
        aliases=event.aliases,
        dispute_reason=event.dispute_reason,  # type: ignore[arg-type]  # the numbers are the same
    )
    if event.amount_minor is not None:
        amount = message.amount
        amount.minor_units = event.amount_minor
        amount.currency = event.currency
        amount.exponent = event.exponent
    return EventMessage(message)
