"""What a payment's events add up to: a pure fold over their set, never over their order of arrival.

Totals are kept per object (refund, charge, dispute): cumulative statements count by their maximum, deltas by their
sum. Both are commutative and a repeated event never gets here, so every order of arrival ends in the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.ledger.model import (
    AMOUNT_MAX,
    Event,
    EventKind,
    Flag,
    Outcome,
    Payment,
    Status,
    StoredEvent,
    Totals,
    Unstorable,
)

# Each kind adds to one total, or takes back from one.
_ADDS: Final = {
    EventKind.AUTHORIZED: "authorized",
    EventKind.CAPTURED: "captured",
    EventKind.REFUNDED: "refunded",
    EventKind.DISPUTE_OPENED: "disputed",
    EventKind.DISPUTE_LOST: "disputed",
}
_TAKES_BACK: Final = {
    EventKind.CAPTURE_FAILED: "captured",
    EventKind.REFUND_FAILED: "refunded",
    EventKind.DISPUTE_WON: "disputed",
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """An event contradicts what is recorded; `field` is what differs ("event_id": same id, other content)."""

    field: str


@dataclass(slots=True)
class _Object:
    """One object's amounts: the largest cumulative one, the sum of deltas, and what was taken back."""

    largest: int = 0
    summed: int = 0
    taken_back: int = 0
    wholly_taken_back: bool = False

    @property
    def total(self) -> int:
        stated = max(self.largest, self.summed)
        return 0 if self.wholly_taken_back else max(0, stated - self.taken_back)


def totals_of(events: Iterable[Event]) -> Totals:
    """Return the sums over a set of events, in minor units."""
    objects: dict[tuple[str, str], _Object] = {}
    for event in events:
        name = _ADDS.get(event.kind) or _TAKES_BACK.get(event.kind)
        if name is None:
            continue
        entry = objects.setdefault((name, event.object_id), _Object())
        amount = event.amount
        if event.kind in _TAKES_BACK:
            # A reversal without an amount, and a dispute won, end their object whole.
            if amount is None or event.kind is EventKind.DISPUTE_WON:
                entry.wholly_taken_back = True
            else:
                entry.taken_back += amount
        elif amount is not None and (event.cumulative or name == "disputed"):
            # Opened and lost speak of one dispute's amount, so the larger counts, not the sum.
            entry.largest = max(entry.largest, amount)
        elif amount is not None:
            entry.summed += amount
    sums = {"authorized": 0, "captured": 0, "refunded": 0, "disputed": 0}
    for (name, _), entry in objects.items():
        sums[name] += entry.total
    if max(sums.values()) > AMOUNT_MAX:
        raise Unstorable("amount")
    return Totals(**sums)


def status_of(events: Sequence[Event], totals: Totals) -> Status:  # noqa: PLR0911 - one return per rank
    """Return where a payment with these events and totals stands: the highest rank that holds."""
    kinds = {event.kind for event in events}
    if _dispute_stands(events):
        return Status.DISPUTED
    if EventKind.RETURNED in kinds:
        return Status.RETURNED
    captured = totals.captured > 0 or (
        EventKind.CAPTURED in kinds and not any(e.amount for e in events if e.kind is EventKind.CAPTURED)
    )
    if totals.refunded:
        # A refund may arrive before its capture: measure it against what is known to have been paid.
        paid = totals.captured or totals.authorized or _fixed_amount(events)
        return Status.PARTIALLY_REFUNDED if totals.refunded < paid else Status.REFUNDED
    if captured:
        return Status.SUCCESS
    if EventKind.CANCELED in kinds:
        return Status.CANCELED
    if EventKind.AUTHORIZED in kinds:
        return Status.AUTHORIZED
    # A declined attempt is normal life: it ranks below every success, above waiting.
    if EventKind.FAILED in kinds or EventKind.CAPTURE_FAILED in kinds:
        return Status.FAILED
    return Status.PENDING


def _dispute_stands(events: Sequence[Event]) -> bool:
    won = {e.object_id for e in events if e.kind is EventKind.DISPUTE_WON}
    disputed = (EventKind.DISPUTE_OPENED, EventKind.DISPUTE_LOST)
    return any(e.object_id not in won for e in events if e.kind in disputed)


def _fixed_amount(events: Iterable[Event]) -> int:
    return next((e.amount for e in events if e.amount_fixed and e.amount is not None), 0)


def flags_of(totals: Totals, fixed: int) -> tuple[Flag, ...]:
    """Return what a person should look at."""
    flags = []
    if totals.captured and totals.refunded > totals.captured:
        flags.append(Flag.OVER_REFUND)
    expected = max(totals.authorized, fixed)
    if expected and totals.captured > expected:
        flags.append(Flag.DUPLICATE_CAPTURE)
    return tuple(flags)


def apply(
    payment: Payment | None, event: Event, *, source: str, delivery: str, delivery_id: str, now_ms: int
) -> tuple[Payment, Outcome, Conflict | None]:
    """Return the payment after `event`, what happened, and the contradiction where there is one.

    The payment is returned unchanged (the same object) for DUPLICATE and CONFLICT. An event that came before answers
    with DUPLICATE, except to the delivery that brought it, which gets its first answer again.

    Raises:
        Unstorable: a total leaves int64.
    """
    if payment is None:
        opened = _opened(event, source=source, delivery=delivery, delivery_id=delivery_id, now_ms=now_ms)
        return opened, Outcome.CREATED, None
    for stored in payment.events:
        if stored.event.event_id == event.event_id:
            if stored.event.content != event.content:
                return payment, Outcome.CONFLICT, Conflict("event_id")
            return payment, stored.outcome if stored.delivery_id == delivery_id else Outcome.DUPLICATE, None
    if field := _contradiction(payment, event):
        return payment, Outcome.CONFLICT, Conflict(field)
    return *_extended(payment, event, delivery=delivery, delivery_id=delivery_id, now_ms=now_ms), None


def _contradiction(payment: Payment, event: Event) -> str:
    """Return the immutable field that the event contradicts, empty when none."""
    if event.currency and payment.currency and event.currency != payment.currency:
        return "currency"
    if event.sender and payment.sender and event.sender != payment.sender:
        return "sender_account"
    if event.receiver and payment.receiver and event.receiver != payment.receiver:
        return "receiver_account"
    both_fixed = event.amount_fixed and payment.amount_fixed and event.amount is not None
    if both_fixed and event.amount != payment.amount:
        return "amount"
    return ""


def _opened(event: Event, *, source: str, delivery: str, delivery_id: str, now_ms: int) -> Payment:
    events = (event,)
    totals = totals_of(events)
    fixed = event.amount if event.amount_fixed and event.amount is not None else 0
    return Payment(
        id=f"{source}:{event.tx_id}",
        source=source,
        tx_id=event.tx_id,
        version=1,
        status=status_of(events, totals),
        totals=totals,
        flags=flags_of(totals, fixed),
        amount=_headline(event.amount, totals, fixed),
        amount_fixed=bool(fixed),
        currency=event.currency,
        exponent=event.exponent,
        sender=event.sender,
        receiver=event.receiver,
        description=event.description,
        aliases=tuple(sorted(set(event.aliases))),
        risk=event.risk,
        recorded_at_ms=now_ms,
        updated_at_ms=now_ms,
        events=(
            StoredEvent(
                event=event,
                outcome=Outcome.CREATED,
                delivery=delivery,
                delivery_id=delivery_id,
                recorded_at_ms=now_ms,
            ),
        ),
    )


def _extended(
    payment: Payment, event: Event, *, delivery: str, delivery_id: str, now_ms: int
) -> tuple[Payment, Outcome]:
    events = [*(stored.event for stored in payment.events), event]
    totals = totals_of(events)
    status = status_of(events, totals)
    outcome = Outcome.STALE if (status, totals) == (payment.status, payment.totals) else Outcome.UPDATED
    fixed = _fixed_amount(events)
    latest = max((each for each in events if each.description), key=lambda each: each.order, default=event)
    largest = max((each.amount for each in events if each.amount is not None), default=None)
    stored = StoredEvent(
        event=event, outcome=outcome, delivery=delivery, delivery_id=delivery_id, recorded_at_ms=now_ms
    )
    after = replace(
        payment,
        version=payment.version + 1,
        status=status,
        totals=totals,
        flags=flags_of(totals, fixed),
        amount=_headline(largest, totals, fixed),
        amount_fixed=bool(fixed),
        currency=payment.currency or event.currency,
        exponent=payment.exponent if payment.currency else event.exponent,
        sender=payment.sender or event.sender,
        receiver=payment.receiver or event.receiver,
        description=latest.description,
        aliases=tuple(sorted({*payment.aliases, *event.aliases})),
        risk=payment.risk if event.risk is None else event.risk,
        updated_at_ms=now_ms,
        events=(*payment.events, stored),
    )
    return after, outcome


def _headline(largest: int | None, totals: Totals, fixed: int) -> int | None:
    """Return the amount a person would name: the stated one, else the most that was reserved or taken."""
    return fixed or max(totals.authorized, totals.captured) or largest
