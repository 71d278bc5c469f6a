"""What a payment's events add up to: a pure fold over their set, never over their order of arrival.

Totals are kept per object (refund, charge, dispute): cumulative statements count by their maximum, deltas by their
sum. Both are commutative and a repeated event never gets here, so every order of arrival ends in the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from msgspec.structs import replace

from services.ledger import counting
from services.ledger.counting import flags_of
from services.ledger.model import Event, EventKind, Flag, Outcome, Payment, Status, StoredEvent, Totals
from services.ledger.tally import Tally

NOTHING: Final = Totals()
NONE_SPILLED: Final[Mapping[str, StoredEvent]] = {}


@dataclass(frozen=True, slots=True)
class Conflict:
    """An event contradicts what is recorded; `field` is what differs ("event_id": same id, other content)."""

    field: str


def totals_of(events: Iterable[Event]) -> Totals:
    """Return the sums over a set of events, in minor units."""
    return counting.totals_of(tally_of(events))


def status_of(events: Iterable[Event], totals: Totals) -> Status:
    """Return where a payment with these events and totals stands."""
    return counting.status_of(tally_of(events), totals)


def tally_of(events: Iterable[Event], *, spilled: Tally | None = None) -> Tally:
    """Return what a set of events adds up to, on top of those that were moved out of the document."""
    tally = spilled.copy() if spilled is not None else Tally()
    for event in events:
        counting.add(tally, event)
    return tally


def apply(
    payment: Payment | None,
    event: Event,
    *,
    source: str,
    delivery: str,
    delivery_id: str,
    now_ms: int,
    spilled: Mapping[str, StoredEvent] = NONE_SPILLED,
) -> tuple[Payment, Outcome, Conflict | None]:
    """Return the payment after `event`, what happened, and the contradiction where there is one.

    The payment is returned unchanged (the same object) for DUPLICATE and CONFLICT. An event that came before answers
    with DUPLICATE, except to the delivery that brought it, which gets its first answer again. `spilled` holds, by id,
    those of the events asked about that were moved out of the payment's document.

    Raises:
        Unstorable: a total leaves int64.
    """
    stored = StoredEvent(
        event=event, outcome=Outcome.CREATED, delivery=delivery, delivery_id=delivery_id, recorded_at_ms=now_ms
    )
    if payment is None:
        return _opened(stored, source), Outcome.CREATED, None
    known = _known(payment, event, spilled)
    if known is not None:
        if known.event.content != event.content:
            return payment, Outcome.CONFLICT, Conflict("event_id")
        return payment, known.outcome if known.delivery_id == delivery_id else Outcome.DUPLICATE, None
    corrections = corrections_of(payment.events)
    # A correction contradicts by its nature, and what one replaced may: it counts for nothing.
    allowed = event.correction is not None or event.event_id in replaced_by(corrections)
    if not allowed and (field := contradiction(payment, event)):
        return payment, Outcome.CONFLICT, Conflict(field)
    after, outcome = _extended(payment, stored, corrections)
    return after, outcome, None


def _known(payment: Payment, event: Event, spilled: Mapping[str, StoredEvent]) -> StoredEvent | None:
    """Return what is stored under the event's id, with the same content where both a fact and its correction are."""
    known = spilled.get(event.event_id)
    for stored in payment.events:
        held = stored.event
        if held.event_id == event.event_id or (held.correction is not None and held.correction.of == event.event_id):
            if held.content == event.content:
                return stored
            known = known or stored
    return known


def contradiction(payment: Payment, event: Event) -> str:
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


def replaced_by(corrections: Iterable[Event]) -> frozenset[str]:
    """Return the ids of the events that no longer count."""
    return frozenset(id_ for each in corrections if each.correction is not None for id_ in each.correction.replaces)


def corrections_of(events: Iterable[StoredEvent]) -> list[Event]:
    """Return the corrections among events; nearly always none."""
    return [stored.event for stored in events if stored.event.correction is not None]


def counted(events: Iterable[StoredEvent], corrections: Sequence[Event]) -> list[Event]:
    """Return the events that count: all but those that a correction replaces."""
    if not corrections:
        return [stored.event for stored in events]
    replaced = replaced_by(corrections)
    return [stored.event for stored in events if stored.event.event_id not in replaced]


def _opened(stored: StoredEvent, source: str) -> Payment:
    event = stored.event
    amount = event.amount
    opening = _opening(event.kind, stated=amount is not None, fixed=event.amount_fixed, cumulative=event.cumulative)
    return Payment(
        id=f"{source}:{event.tx_id}",
        source=source,
        tx_id=event.tx_id,
        version=1,
        status=opening.status,
        totals=NOTHING if amount is None or not opening.total else Totals(**{opening.total: amount}),
        flags=opening.flags,
        amount=amount or None,
        amount_fixed=event.amount_fixed and amount is not None,
        currency=event.currency,
        exponent=event.exponent,
        sender=event.sender,
        receiver=event.receiver,
        description=event.description,
        aliases=tuple(sorted(set(event.aliases))) if event.aliases else (),
        risk=event.risk,
        recorded_at_ms=stored.recorded_at_ms,
        updated_at_ms=stored.recorded_at_ms,
        events=(stored,),
    )


@dataclass(frozen=True, slots=True)
class _Opening:
    """What a first event makes of a payment: the total its amount is, empty for none, the status and the flags."""

    total: str
    status: Status
    flags: tuple[Flag, ...]


@cache
def _opening(kind: EventKind, *, stated: bool, fixed: bool, cumulative: bool) -> _Opening:
    """Fold one event of a kind. It is the same for every amount above zero, so each kind is asked only once."""
    event = Event(
        tx_id="", event_id="", kind=kind, amount=1 if stated else None, amount_fixed=fixed, cumulative=cumulative
    )
    tally = tally_of((event,))
    totals = counting.totals_of(tally)
    total = next((name for name in totals.__struct_fields__ if getattr(totals, name)), "")
    return _Opening(total, counting.status_of(tally, totals), flags_of(totals, tally.fixed))


def _extended(payment: Payment, stored: StoredEvent, corrections: list[Event]) -> tuple[Payment, Outcome]:
    event = stored.event
    events = (*payment.events, stored)
    if event.correction is not None:
        corrections.append(event)
    tally = tally_of(counted(events, corrections), spilled=payment.spilled)
    facts = _facts(payment, event, corrections)
    # What a correction says of the whole payment holds, whatever else was said of it.
    tally.fixed = facts.fixed or tally.fixed
    totals = counting.totals_of(tally)
    status = counting.status_of(tally, totals)
    outcome = Outcome.STALE if (status, totals) == (payment.status, payment.totals) else Outcome.UPDATED
    after = replace(
        payment,
        version=payment.version + 1,
        status=status,
        totals=totals,
        flags=flags_of(totals, tally.fixed),
        amount=counting.amount_of(tally, totals),
        amount_fixed=bool(tally.fixed),
        currency=facts.currency,
        exponent=facts.exponent,
        sender=facts.sender,
        receiver=facts.receiver,
        description=tally.description,
        aliases=tuple(sorted({*payment.aliases, *event.aliases})),
        risk=payment.risk if event.risk is None else event.risk,
        updated_at_ms=stored.recorded_at_ms,
        events=(*payment.events, replace(stored, outcome=outcome)),
    )
    return after, outcome


@dataclass(slots=True)
class _Facts:
    """What may not differ between a payment's events; `fixed` is 0 where no correction states it."""

    currency: str
    exponent: int
    sender: str
    receiver: str
    fixed: int = 0


def _facts(payment: Payment, event: Event, corrections: Sequence[Event]) -> _Facts:
    """Return what is known once the event is: what corrections state, the highest rank first, else what came first."""
    facts = _Facts(
        currency=payment.currency or event.currency,
        exponent=payment.exponent if payment.currency else event.exponent,
        sender=payment.sender or event.sender,
        receiver=payment.receiver or event.receiver,
    )
    for each in sorted(corrections, key=_rank):
        if each.currency:
            facts.currency, facts.exponent = each.currency, each.exponent
        facts.sender = each.sender or facts.sender
        facts.receiver = each.receiver or facts.receiver
        if each.amount_fixed and each.amount is not None:
            facts.fixed = each.amount
    return facts


def _rank(event: Event) -> int:
    return event.correction.rank if event.correction is not None else 0
