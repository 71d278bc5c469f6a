"""Folds mapped events into payments with the ledger's own pure fold, over the message that travels between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2
from msgspec.structs import replace

from providers.contract import Event
from services.ingest.adapters.event_message import encode
from services.ledger.adapters.record_messages import to_item
from services.ledger.folding import apply
from services.ledger.model import Event as Fact
from services.ledger.model import Outcome, Payment

SOURCE = "tests"
_NOW_MS = 1_700_000_000_000


class Book:
    """The payments of one source. An event that knows only aliases waits until one of them is known."""

    def __init__(self) -> None:
        """Begin empty."""
        self.payments: dict[str, Payment] = {}
        self.waiting: list[Event] = []
        self.outcomes: list[Outcome] = []
        self._deliveries = 0

    def record(self, events: Iterable[Event]) -> None:
        """Record one delivery's events, and after it those that waited for it."""
        self._deliveries += 1
        self.waiting += events
        while True:
            ready = [(event, tx_id) for event in self.waiting if (tx_id := self._tx_id_of(event))]
            self.waiting = [event for event in self.waiting if not self._tx_id_of(event)]
            if not ready:
                return
            for event, tx_id in ready:
                self._apply(replace(event, tx_id=tx_id))

    def _tx_id_of(self, event: Event) -> str:
        if event.tx_id:
            return event.tx_id
        for payment in self.payments.values():
            if {payment.tx_id, *payment.aliases} & set(event.aliases):
                return payment.tx_id
        return ""

    def _apply(self, event: Event) -> None:
        payment, outcome, _ = apply(
            self.payments.get(event.tx_id),
            fact_of(event),
            source=SOURCE,
            delivery=f"{SOURCE}:{'0' * 64}",
            delivery_id=f"d-{self._deliveries}",
            now_ms=_NOW_MS,
        )
        self.payments[event.tx_id] = payment
        self.outcomes.append(outcome)


def fact_of(event: Event) -> Fact:
    """Return the event as the ledger takes it from the wire, by its own rules."""
    message = ledger_pb2.RecordItem(delivery_id="d-1", source=SOURCE)
    message.events.add().event.CopyFrom(cast("payment_pb2.PaymentEvent", encode(event)))
    (fact,) = to_item(message).events
    return fact


def standing(payment: Payment) -> Mapping[str, object]:
    """Return how a payment stands, in the words of a vectors file."""
    totals = payment.totals
    return {
        "tx_id": payment.tx_id,
        "status": payment.status.name.lower(),
        "currency": payment.currency,
        "authorized": totals.authorized,
        "captured": totals.captured,
        "refunded": totals.refunded,
        "disputed": totals.disputed,
        "flags": [flag.name.lower() for flag in payment.flags],
        "sender_account": payment.sender,
        "receiver_account": payment.receiver,
    }
