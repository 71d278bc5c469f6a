"""Resolving: events that name no payment belong to the one of their source that has one of their aliases.

What counts is what is durable: the payments, and the other events of the same batch, are written before anybody looks.
So the order of arrival can't matter; what is not found waits, and what is found twice is left to a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from services.ledger.batch_work import Work, grouped
from services.ledger.model import Disposition, Event, EventOutcome, Failure, Outcome, content_hash, content_id
from services.ledger.ports import Aliased, Payments
from services.ledger.settling import Settler

# A thousand payments for each alias that a full batch of ordinary events has: nobody's mapping means that.
_ROWS_MAX: Final = 10_000
_NONE: Final[Mapping[str, frozenset[str]]] = {}
_AMBIGUOUS: Final = "aliases: belong to more than one payment"


class Resolver:
    """Finds the payments of events that name none, and records those events."""

    def __init__(self, payments: Payments, settler: Settler) -> None:
        """Look among `payments`; what is found is written by `settler`."""
        self._payments = payments
        self._settler = settler

    @staticmethod
    def begin(works: Sequence[Work]) -> list[Work]:
        """Return the items with an event that names no payment, nearly always none: they wait until it is found."""
        nameless = [work for work in works if any(not event.tx_id for event in work.item.events)]
        for work in nameless:
            work.guess = Disposition.WAITING
        return nameless

    async def resolve(self, works: Sequence[Work], now_ms: int) -> None:
        """Answer the events of these items that name no payment, with one read for all of them.

        Raises:
            NotDurable: what became of them is unknown.
        """
        works = [work for work in works if work.failure is None]
        wanted: dict[str, set[str]] = {}
        for work in works:
            aliases = wanted.setdefault(work.item.source, set())
            for event in work.item.events:
                if not event.tx_id:
                    aliases.update(event.aliases)
        if not wanted:
            return
        rows = await self._payments.find_aliased(wanted, rows_max=_ROWS_MAX)
        holders = _holders(rows)
        shadows = [
            shadow
            for work in works
            if (shadow := _Shadow.of(work, holders.get(work.item.source, _NONE), complete=len(rows) < _ROWS_MAX))
        ]
        await self._settler.settle(grouped([shadow.work for shadow in shadows]), now_ms)
        for shadow in shadows:
            shadow.hand_back()


class _Shadow:
    """Those events of an item whose payment was found, as an item of their own."""

    __slots__ = ("original", "places", "work")

    def __init__(self, original: Work, found: Mapping[int, Event]) -> None:
        self.original = original
        self.places = list(found)
        self.work = Work(replace(original.item, events=tuple(found.values())))

    @classmethod
    def of(cls, work: Work, holders: Mapping[str, frozenset[str]], *, complete: bool) -> _Shadow | None:
        """Name the payments of an item's events, answer those whose payment is not to be told, return the rest.

        Where not every payment was looked at, who was found alone need not be alone.
        """
        found: dict[int, Event] = {}
        ambiguous = missing = False
        for place, event in enumerate(work.item.events):
            if event.tx_id:
                continue
            tx_ids = {tx_id for alias in event.aliases for tx_id in holders.get(alias, ())}
            if len(tx_ids) == 1 and complete:
                found[place] = named(event, *tx_ids)
                continue
            ambiguous, missing = ambiguous or len(tx_ids) > 1, True
            work.answers[place] = _UNRESOLVED
        if missing and work.item.delivery is None:
            # There are no bytes to keep and to run again.
            work.fail(Failure.AMBIGUOUS if ambiguous else Failure.UNRESOLVED, "aliases")
            return None
        events = tuple([found.get(place, event) for place, event in enumerate(work.item.events)])
        detail = _AMBIGUOUS if ambiguous else work.item.detail
        work.item = replace(work.item, events=events, detail=detail)
        work.unresolved = Disposition.UNPROCESSABLE if ambiguous else Disposition.WAITING if missing else None
        return cls(work, found) if found else None

    def hand_back(self) -> None:
        """Give the item the answers to these events."""
        if self.work.failure is not None:
            self.original.fail(self.work.failure, self.work.field)
        for place, answer in zip(self.places, self.work.answers, strict=True):
            self.original.answers[place] = answer


_UNRESOLVED: Final = EventOutcome(tx_id="", event_id="", outcome=Outcome.UNRESOLVED, status=None, version=0, risk=None)


def _holders(rows: Sequence[Aliased]) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """Return, by source and alias, the ids of the payments that have it; a payment's own id is one of its aliases."""
    holders: dict[str, dict[str, frozenset[str]]] = {}
    for row in rows:
        of_source = holders.setdefault(row.source, {})
        for alias in {row.tx_id, *row.aliases}:
            of_source[alias] = of_source.get(alias, frozenset()) | {row.tx_id}
    return holders


def named(event: Event, tx_id: str) -> Event:
    """Return an event with its payment's id: the same as if it had come with it."""
    content = content_hash(
        tx_id,
        event.kind,
        event.object_id,
        event.amount,
        event.currency,
        event.cumulative,
        event.sender,
        event.receiver,
        event.description,
    )
    by_content = event.event_id == content_id(event.content)
    return replace(event, tx_id=tx_id, content=content, event_id=content_id(content) if by_content else event.event_id)
