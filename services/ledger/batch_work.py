"""The items of a batch while it is recorded, and the groups of events that speak of one payment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.ledger.folding import NONE_SPILLED, Conflict, apply
from services.ledger.model import (
    Disposition,
    Event,
    EventOutcome,
    Failure,
    Item,
    ItemResult,
    Outcome,
    Payment,
    StoredEvent,
)
from services.ledger.ports import Conflicting, Repeat
from services.ledger.spilling import EMBEDDED_MAX

_DISPOSITIONS: Final = {Outcome.CONFLICT: Disposition.CONFLICT, Outcome.DUPLICATE: Disposition.DUPLICATE}


class Work:
    """One item while its batch is recorded.

    Attributes:
        guess: the disposition that its delivery is stored with before any event is answered.
        repeats: by their places, those of its events that were recorded before: the payment, and what is stored there.
        unresolved: what it ends as where the payment of an event can't be told, None where all can.
    """

    __slots__ = ("answers", "delivery_key", "failure", "field", "guess", "item", "repeats", "unresolved")

    def __init__(self, item: Item) -> None:
        """Begin unanswered."""
        self.item = item
        self.answers: list[EventOutcome | None] = [None] * len(item.events)
        self.failure: Failure | None = None
        self.field = ""
        self.repeats: dict[int, tuple[str, StoredEvent]] = {}
        self.unresolved: Disposition | None = None
        self.delivery_key = ""
        self.guess = Disposition.RECORDED if item.events else item.disposition or Disposition.IGNORED
        if item.delivery is not None:
            self.delivery_key = f"{item.source}:{hashlib.sha256(item.delivery.body).hexdigest()}"

    def fail(self, failure: Failure, field: str = "") -> None:
        """Take the item out of the batch."""
        self.failure = failure
        self.field = field

    @property
    def payments(self) -> tuple[str, ...]:
        """The ids of the payments it speaks of."""
        return tuple({f"{self.item.source}:{event.tx_id}": None for event in self.item.events if event.tx_id})

    @property
    def conflicts(self) -> tuple[Conflicting, ...]:
        """Those of its events that contradict what is recorded."""
        return tuple(
            [
                Conflicting(place=place, field=answer.conflict_field, event=self.item.events[place])
                for place, answer in enumerate(self.answers)
                if answer is not None and answer.conflict_field
            ]
        )


class Group:
    """Events of one payment in one batch, in the order they came; no more than are written at once.

    Attributes:
        id: the payment's id.
        source: its source.
        entries: each event, with the item it came in and its place there.
        later: those of the payment's events that are written after these, None where there are no more.
    """

    __slots__ = ("entries", "id", "later", "source")

    def __init__(self, payment_id: str, source: str) -> None:
        """Begin without events."""
        self.id = payment_id
        self.source = source
        self.entries: list[tuple[Work, int, Event]] = []
        self.later: Group | None = None

    def fold(
        self, payment: Payment | None, now_ms: int, spilled: Mapping[str, StoredEvent] = NONE_SPILLED
    ) -> Payment | None:
        """Apply every event to `payment` and note each answer; return the payment after them.

        `spilled` holds those of these events that were moved out of the payment's document, by id.

        Raises:
            Unstorable: a total leaves int64.
        """
        for work, position, event in self.entries:
            payment, outcome, conflict = apply(
                payment,
                event,
                source=self.source,
                delivery=work.delivery_key,
                delivery_id=work.item.delivery_id,
                now_ms=now_ms,
                spilled=spilled,
            )
            work.answers[position] = _answer(payment, event, outcome, conflict)
            if outcome is Outcome.DUPLICATE and (known := _known(payment, event, spilled)) is not None:
                work.repeats[position] = self.id, known
        return payment

    def fail(self, failure: Failure, field: str = "") -> None:
        """Fail every item that has an event here."""
        for work, _, _ in self.entries:
            work.fail(failure, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The items that brought each delivery of a batch, and which of the deliveries were there before it."""

    known: frozenset[str] = frozenset()
    holders: Mapping[str, Sequence[Work]] = field(default_factory=dict)

    def again(self, key: str) -> tuple[str, ...]:
        """Return the ids under which a delivery came again. An item that failed is not counted: it comes once more."""
        brought_by = self.holders[key] if key in self.known else self.holders[key][1:]
        return tuple({work.item.delivery_id: None for work in brought_by if work.failure is None})

    def barren(self, now_ms: int) -> Iterator[Repeat]:
        """Yield what to say of bytes that went in beside a payment which then could not take their events."""
        for key, works in self.holders.items():
            if works[0].failure is Failure.UNSTORABLE and key not in self.known and all(map(_is_unstorable, works)):
                detail = f"{works[0].field}: can't be stored"
                yield Repeat(
                    key=key, seen_by=(), disposition=Disposition.UNPROCESSABLE, seen_at_ms=now_ms, detail=detail
                )


def _is_unstorable(work: Work) -> bool:
    return work.failure is Failure.UNSTORABLE


def _known(payment: Payment, event: Event, spilled: Mapping[str, StoredEvent]) -> StoredEvent | None:
    """Return what is stored under an event's id; of what a correction tells again the correction has its own."""
    held = (stored for stored in payment.events if stored.event.event_id == event.event_id)
    return next(held, None) or spilled.get(event.event_id)


def _answer(payment: Payment, event: Event, outcome: Outcome, conflict: Conflict | None) -> EventOutcome:
    return EventOutcome(
        tx_id=event.tx_id,
        event_id=event.event_id,
        outcome=outcome,
        status=payment.status,
        version=payment.version,
        # What the caller sent with the event need not travel back.
        risk=None if payment.risk is event.risk else payment.risk,
        conflict_field=conflict.field if conflict is not None else "",
    )


def grouped(works: Sequence[Work]) -> list[Group]:
    """Return a group for each payment that items name, with what is to be written after it behind it."""
    first: list[Group] = []
    last: dict[str, Group] = {}
    for work in works:
        if work.failure is not None:
            continue
        for position, event in enumerate(work.item.events):
            if not event.tx_id:
                continue
            payment_id = f"{work.item.source}:{event.tx_id}"
            group = last.get(payment_id)
            if group is None:
                group = last[payment_id] = Group(payment_id, work.item.source)
                first.append(group)
            elif len(group.entries) == EMBEDDED_MAX:
                group.later = last[payment_id] = Group(payment_id, work.item.source)
                group = group.later
            group.entries.append((work, position, event))
    return first


def disposition_of(work: Work) -> Disposition:
    """Return what became of an item: its most severe outcome, or what the sender said where it has no events."""
    if work.unresolved is not None:
        return work.unresolved
    answers = work.answers
    if len(answers) == 1 and answers[0] is not None:
        # Nearly every delivery is one event.
        return _DISPOSITIONS.get(answers[0].outcome, Disposition.RECORDED)
    outcomes = {answer.outcome for answer in answers if answer is not None}
    if not outcomes:
        return work.guess
    if Outcome.CONFLICT in outcomes:
        return Disposition.CONFLICT
    return Disposition.DUPLICATE if outcomes == {Outcome.DUPLICATE} else Disposition.RECORDED


def kept_disposition_of(work: Work) -> Disposition:
    """Return what an item's delivery is kept as: bytes that brought the fact stay recorded, told again or not.

    Two requests with the same bytes may run side by side, and the one that stored them need not be the one whose event
    was first.
    """
    disposition = disposition_of(work)
    brought = work.repeats and all(stored.delivery == work.delivery_key for _, stored in work.repeats.values())
    return Disposition.RECORDED if brought and disposition is Disposition.DUPLICATE else disposition


def result_of(work: Work) -> ItemResult:
    """Return the answer to an item."""
    if work.failure is not None:
        return ItemResult(disposition=None, failure=work.failure, field=work.field)
    answers = tuple(answer for answer in work.answers if answer is not None)
    return ItemResult(disposition=disposition_of(work), events=answers)


def speaking_for(works: Sequence[Work]) -> Work | None:
    """Return, of items that brought the same delivery, the one whose disposition is the delivery's.

    It is the first, or one that contradicts; None where all failed.
    """
    speaking = None
    for work in works:
        if work.failure is None and (speaking is None or disposition_of(work) is Disposition.CONFLICT):
            speaking = work
    return speaking
