"""Recording a batch: insert what may be new; read back, classify and write under guard what is there already.

Nothing here is acknowledged before it is durable: an outcome exists only after majority, journaled writes of both the
payment and the delivery, or after a majority read of what was there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.ledger.folding import Conflict, apply
from services.ledger.model import (
    Disposition,
    Event,
    EventOutcome,
    Failure,
    Item,
    ItemResult,
    NotDurable,
    Outcome,
    Payment,
    Unstorable,
)
from services.ledger.ports import Change, Deliveries, Payments, Repeat
from services.ledger.spans import BatchSpans, SpanMaker

_ROUNDS_MAX: Final = 3
# A duplicate key whose document no majority has yet is another writer's insert on its way: give it a moment.
_ROUND_PAUSE_S: Final = 0.01


class _Work:
    """One item while its batch is recorded."""

    __slots__ = ("answers", "delivery_key", "failure", "field", "guess", "item")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.answers: list[EventOutcome | None] = [None] * len(item.events)
        self.failure: Failure | None = None
        self.field = ""
        self.delivery_key = ""
        self.guess = Disposition.RECORDED if item.events else item.disposition or Disposition.IGNORED
        if item.delivery is not None:
            self.delivery_key = f"{item.source}:{hashlib.sha256(item.delivery.body).hexdigest()}"

    def fail(self, failure: Failure, field: str = "") -> None:
        self.failure = failure
        self.field = field


class _Group:
    """The events of one payment in one batch, in the order they came."""

    __slots__ = ("entries", "id", "source")

    def __init__(self, payment_id: str, source: str) -> None:
        self.id = payment_id
        self.source = source
        self.entries: list[tuple[_Work, int, Event]] = []

    def fold(self, payment: Payment | None, now_ms: int) -> Payment | None:
        """Apply every event to `payment` and note each answer; return the payment after them."""
        for work, position, event in self.entries:
            payment, outcome, conflict = apply(
                payment,
                event,
                source=self.source,
                delivery=work.delivery_key,
                delivery_id=work.item.delivery_id,
                now_ms=now_ms,
            )
            work.answers[position] = _answer(payment, event, outcome, conflict)
        return payment

    def fail(self, failure: Failure, field: str = "") -> None:
        for work, _, _ in self.entries:
            work.fail(failure, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Deliveries that were there before the batch, and how many more times each came than it was inserted."""

    known: frozenset[str] = frozenset()
    again: Mapping[str, int] = field(default_factory=dict)


def _answer(payment: Payment, event: Event, outcome: Outcome, conflict: Conflict | None) -> EventOutcome:
    return EventOutcome(
        tx_id=event.tx_id,
        event_id=event.event_id,
        outcome=outcome,
        status=payment.status,
        version=payment.version,
        risk=payment.risk,
        conflict_field=conflict.field if conflict is not None else "",
    )


class Recorder:
    """Records batches of items into payments and deliveries."""

    def __init__(
        self, payments: Payments, deliveries: Deliveries, *, clock_ms: Callable[[], int], spans: SpanMaker
    ) -> None:
        """Record into the two stores; `clock_ms` is the ledger's own time."""
        self._payments = payments
        self._deliveries = deliveries
        self._clock_ms = clock_ms
        self._spans = spans

    async def record(self, items: Sequence[Item]) -> list[ItemResult]:
        """Record a batch and answer per item, in order. Never raises for an item's sake."""
        now_ms = self._clock_ms()
        spans = self._spans.begin(items)
        works = [_Work(item) for item in items]
        try:
            await self._store(works, spans, now_ms)
        except NotDurable:
            for work in works:
                if work.failure is None:
                    work.fail(Failure.NOT_DURABLE)
        results = [_result(work) for work in works]
        spans.end(results)
        return results

    async def _store(self, works: Sequence[_Work], spans: BatchSpans, now_ms: int) -> None:
        arrivals = self._encode_deliveries(works, now_ms)
        fresh, groups = self._encode_payments(works, now_ms)
        # Both inserts share one journal flush; a crash between them leaves what a retry repairs.
        with spans.command("mongo.insert", items=len(works)):
            settled, seen = await _both(self._insert_payments(groups, fresh), self._insert_deliveries(arrivals))
        if settled:
            with spans.command("mongo.update", items=len(settled)):
                await self._settle(settled, now_ms)
        await self._finish_deliveries(works, seen, now_ms)

    def _encode_deliveries(self, works: Sequence[_Work], now_ms: int) -> list[tuple[_Work, bytes]]:
        arrivals = []
        for work in works:
            delivery = work.item.delivery
            if delivery is None:
                continue
            try:
                encoded = self._deliveries.encode(work.delivery_key, work.item, delivery, work.guess, now_ms=now_ms)
                arrivals.append((work, encoded))
            except Unstorable as error:
                work.fail(Failure.UNSTORABLE, error.field)
        return arrivals

    def _encode_payments(self, works: Sequence[_Work], now_ms: int) -> tuple[list[bytes], list[_Group]]:
        """Fold each payment's events from nothing and encode it; what can't be stored leaves the batch whole."""
        while True:
            groups = _grouped(works)
            fresh: list[bytes] = []
            for group in groups:
                try:
                    fresh.append(self._encode_group(group, now_ms))
                except Unstorable as error:
                    self._fail_guilty(group, error.field, now_ms)
            # Each pass that is not the last one takes at least one item out of the batch.
            if len(fresh) == len(groups):
                return fresh, groups

    def _encode_group(self, group: _Group, now_ms: int) -> bytes:
        payment = group.fold(None, now_ms)
        assert payment is not None, "a group has at least one event"  # noqa: S101 - tells the type checker
        return self._payments.encode(payment)

    def _fail_guilty(self, group: _Group, field: str, now_ms: int) -> None:
        """Fail the items that can't be stored by themselves; all of them where only their sum can't."""
        guilty = []
        for entry in group.entries:
            alone = _Group(group.id, group.source)
            alone.entries.append(entry)
            try:
                self._encode_group(alone, now_ms)
            except Unstorable as error:
                guilty.append((alone, error.field))
        for alone, its_field in guilty or [(group, field)]:
            alone.fail(Failure.UNSTORABLE, its_field)

    async def _insert_payments(self, groups: Sequence[_Group], fresh: Sequence[bytes]) -> list[_Group]:
        """Insert what may be new; return the groups whose payment was there already."""
        if not fresh:
            return []
        inserted = await self._payments.insert_new(fresh)
        for position in inserted.unstorable:
            groups[position].fail(Failure.UNSTORABLE, "document")
        return [groups[position] for position in sorted(inserted.existing)]

    async def _insert_deliveries(self, arrivals: Sequence[tuple[_Work, bytes]]) -> _Seen:
        """Insert deliveries, the same bytes once."""
        holders: dict[str, list[_Work]] = {}
        encoded: list[bytes] = []
        for work, document in arrivals:
            if work.failure is not None:
                continue
            same = holders.setdefault(work.delivery_key, [])
            if not same:
                encoded.append(document)
            same.append(work)
        if not encoded:
            return _Seen()
        inserted = await self._deliveries.insert_new(encoded)
        keys = list(holders)
        for position in inserted.unstorable:
            # Nobody may be acknowledged for bytes that are not there, whichever item brought them first.
            for work in holders[keys[position]]:
                work.fail(Failure.UNSTORABLE, "delivery")
        known = frozenset(keys[position] for position in inserted.existing)
        counts = {key: len(same) - (key not in known) for key, same in holders.items()}
        return _Seen(known=known, again={key: count for key, count in counts.items() if count})

    async def _settle(self, groups: list[_Group], now_ms: int) -> None:
        """Answer events of payments that exist: read, classify, write what changes under its version."""
        for attempt in range(_ROUNDS_MAX):
            stored = await self._payments.read_durable([group.id for group in groups])
            changes, open_groups = self._classify(groups, stored, now_ms)
            if changes and await self._payments.update(changes) == len(changes):
                open_groups = [group for group in open_groups if group.id not in stored]
            if not open_groups:
                return
            groups = open_groups
            await asyncio.sleep(_ROUND_PAUSE_S * (attempt + 1))
        for group in groups:
            group.fail(Failure.CONTENDED)

    def _classify(
        self, groups: Sequence[_Group], stored: Mapping[str, Payment], now_ms: int
    ) -> tuple[list[Change], list[_Group]]:
        """Fold each group over what is stored; return the writes, and the groups that are not answered without them."""
        changes: list[Change] = []
        open_groups: list[_Group] = []
        for group in groups:
            before = stored.get(group.id)
            if before is None:
                open_groups.append(group)
                continue
            try:
                after = group.fold(before, now_ms)
                if after is not before and after is not None:
                    self._payments.encode(after)
            except Unstorable as error:
                group.fail(Failure.UNSTORABLE, error.field)
                continue
            if after is not before and after is not None:
                changes.append(Change(before=before, after=after))
                open_groups.append(group)
        return changes, open_groups

    async def _finish_deliveries(self, works: Sequence[_Work], seen: _Seen, now_ms: int) -> None:
        """Count repeats and put right the dispositions that were guessed wrong, before anything is acknowledged."""
        updates = {
            key: Repeat(key=key, seen=count, disposition=None, seen_at_ms=now_ms) for key, count in seen.again.items()
        }
        for key, work in _speaking(works).items():
            actual = _disposition(work)
            # Bytes seen before keep what was said of them then, unless they turn out to contradict what is recorded.
            if actual is not work.guess and (key not in seen.known or actual is Disposition.CONFLICT):
                updates[key] = Repeat(key=key, seen=seen.again.get(key, 0), disposition=actual, seen_at_ms=now_ms)
        if updates:
            await self._deliveries.repeat(list(updates.values()))


def _speaking(works: Sequence[_Work]) -> dict[str, _Work]:
    """Return, for each delivery, the item whose disposition is the delivery's: the first, or one that contradicts."""
    speaking: dict[str, _Work] = {}
    for work in works:
        if not work.delivery_key or work.failure is not None:
            continue
        if work.delivery_key not in speaking or _disposition(work) is Disposition.CONFLICT:
            speaking[work.delivery_key] = work
    return speaking


async def _both(payments: Awaitable[list[_Group]], deliveries: Awaitable[_Seen]) -> tuple[list[_Group], _Seen]:
    """Await both writes to the end, then raise the first error: neither may still run when the batch is answered."""
    settled, seen = await asyncio.gather(payments, deliveries, return_exceptions=True)
    if isinstance(settled, BaseException):
        raise settled
    if isinstance(seen, BaseException):
        raise seen
    return settled, seen


def _grouped(works: Sequence[_Work]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for work in works:
        if work.failure is not None:
            continue
        for position, event in enumerate(work.item.events):
            payment_id = f"{work.item.source}:{event.tx_id}"
            group = groups.get(payment_id)
            if group is None:
                group = groups[payment_id] = _Group(payment_id, work.item.source)
            group.entries.append((work, position, event))
    return list(groups.values())


def _disposition(work: _Work) -> Disposition:
    """Return what became of an item: its most severe outcome, or what the sender said where it has no events."""
    outcomes = {answer.outcome for answer in work.answers if answer is not None}
    if not outcomes:
        return work.guess
    if Outcome.CONFLICT in outcomes:
        return Disposition.CONFLICT
    return Disposition.DUPLICATE if outcomes == {Outcome.DUPLICATE} else Disposition.RECORDED


def _result(work: _Work) -> ItemResult:
    if work.failure is not None:
        return ItemResult(disposition=None, failure=work.failure, field=work.field)
    answers = tuple(answer for answer in work.answers if answer is not None)
    return ItemResult(disposition=_disposition(work), events=answers)
