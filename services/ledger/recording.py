"""Recording a batch: insert what may be new; read back, classify and write under guard what is there already.

Nothing here is acknowledged before it is durable: an outcome exists only after majority, journaled writes of both the
payment and the delivery, or after a majority read of what was there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from services.ledger.analysis import queued
from services.ledger.analysis_policy import Selects
from services.ledger.batch_work import Group, Seen, Work, grouped, kept_disposition_of, result_of, speaking_for
from services.ledger.dispositions import GIVES_WAY
from services.ledger.model import Failure, Item, ItemResult, NotDurable, Unstorable
from services.ledger.originals import Originals
from services.ledger.ports import Deliveries, Payments, Repeat
from services.ledger.resolving import Resolver
from services.ledger.settling import Settler
from services.ledger.spans import BatchSpans, SpanMaker


class Recorder:
    """Records batches of items into payments and deliveries."""

    def __init__(
        self,
        payments: Payments,
        deliveries: Deliveries,
        *,
        clock_ms: Callable[[], int],
        spans: SpanMaker,
        selects: Selects | None = None,
    ) -> None:
        """Record into the two stores; `clock_ms` is the ledger's own time.

        Payments that `selects` are queued for analysis, by the write that makes them so.
        """
        self._payments = payments
        self._settler = Settler(payments, selects)
        self._resolver = Resolver(payments, self._settler)
        self._selects = selects
        self._deliveries = deliveries
        self._originals = Originals(payments, deliveries)
        self._clock_ms = clock_ms
        self._spans = spans

    async def record(self, items: Sequence[Item]) -> list[ItemResult]:
        """Record a batch and answer per item, in order. Never raises for an item's sake."""
        now_ms = self._clock_ms()
        spans = self._spans.begin(items)
        works = [Work(item) for item in items]
        try:
            await self._store(works, spans, now_ms)
        except NotDurable:
            for work in works:
                if work.failure is None:
                    work.fail(Failure.NOT_DURABLE)
        results = [result_of(work) for work in works]
        spans.end(results)
        return results

    async def _store(self, works: Sequence[Work], spans: BatchSpans, now_ms: int) -> None:
        nameless = self._resolver.begin(works)
        arrivals = self._encode_deliveries(works, now_ms)
        fresh, groups = self._encode_payments(works, now_ms)
        # Both inserts share one journal flush; a crash between them leaves what a retry repairs.
        with spans.command("mongo.insert", items=len(works)):
            existing, seen = await _both(self._insert_payments(groups, fresh), self._insert_deliveries(arrivals))
        if existing:
            with spans.command("mongo.update", items=len(existing)):
                await self._settler.settle(existing, now_ms)
        if nameless:
            with spans.command("mongo.resolve", items=len(nameless)):
                await self._resolver.resolve(nameless, now_ms)
        if existing or nameless:
            await self._originals.look_after(works, now_ms)
        await self._finish_deliveries(seen, now_ms)

    def _encode_deliveries(self, works: Sequence[Work], now_ms: int) -> list[tuple[Work, bytes]]:
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

    def _encode_payments(self, works: Sequence[Work], now_ms: int) -> tuple[list[bytes], list[Group]]:
        """Fold each payment's events from nothing and encode it; what can't be stored leaves the batch whole."""
        while True:
            groups = grouped(works)
            fresh: list[bytes] = []
            for group in groups:
                try:
                    fresh.append(self._encode_group(group, now_ms))
                except Unstorable as error:
                    self._fail_guilty(group, error.field, now_ms)
            # Each pass that is not the last one takes at least one item out of the batch.
            if len(fresh) == len(groups):
                return fresh, groups

    def _encode_group(self, group: Group, now_ms: int) -> bytes:
        payment = group.fold(None, now_ms)
        assert payment is not None, "a group has at least one event"  # noqa: S101 - tells the type checker
        if self._selects is not None and self._selects(payment):
            payment = replace(payment, analysis=queued(now_ms))
        return self._payments.encode(payment)

    def _fail_guilty(self, group: Group, field: str, now_ms: int) -> None:
        """Fail the items that can't be stored by themselves; all of them where only their sum can't."""
        guilty = []
        for entry in group.entries:
            alone = Group(group.id, group.source)
            alone.entries.append(entry)
            try:
                self._encode_group(alone, now_ms)
            except Unstorable as error:
                guilty.append((alone, error.field))
        for alone, its_field in guilty or [(group, field)]:
            alone.fail(Failure.UNSTORABLE, its_field)

    async def _insert_payments(self, groups: Sequence[Group], fresh: Sequence[bytes]) -> list[Group]:
        """Insert what may be new; return the groups that are still to be written, to payments that exist."""
        if not fresh:
            return []
        inserted = await self._payments.insert_new(fresh)
        for position in inserted.unstorable:
            groups[position].fail(Failure.UNSTORABLE, "document")
        existing = [groups[position] for position in sorted(inserted.existing)]
        refused = inserted.existing | inserted.unstorable
        return existing + [
            group.later for position, group in enumerate(groups) if group.later is not None and position not in refused
        ]

    async def _insert_deliveries(self, arrivals: Sequence[tuple[Work, bytes]]) -> Seen:
        """Insert deliveries, the same bytes once."""
        holders: dict[str, list[Work]] = {}
        encoded: list[bytes] = []
        for work, document in arrivals:
            if work.failure is not None:
                continue
            same = holders.setdefault(work.delivery_key, [])
            if not same:
                encoded.append(document)
            same.append(work)
        if not encoded:
            return Seen()
        inserted = await self._deliveries.insert_new(encoded)
        keys = list(holders)
        for position in inserted.unstorable:
            # Nobody may be acknowledged for bytes that are not there, whichever item brought them first.
            for work in holders[keys[position]]:
                work.fail(Failure.UNSTORABLE, "delivery")
        return Seen(known=frozenset(keys[position] for position in inserted.existing), holders=holders)

    async def _finish_deliveries(self, seen: Seen, now_ms: int) -> None:
        """Count repeats and put right the dispositions that were guessed wrong, before anything is acknowledged."""
        updates = {}
        # Nothing is looked up by key, which would be a cache miss for each item of a large batch.
        for key, brought_by in seen.holders.items():
            work = speaking_for(brought_by)
            if work is None:
                continue
            actual, known = kept_disposition_of(work), bool(seen.known) and key in seen.known
            # Of bytes seen before only storage knows what was said then, and whether this takes its place.
            said = known or actual is not work.guess or work.unresolved is not None
            if said or len(brought_by) > 1:
                updates[key] = Repeat(
                    key=key,
                    seen_by=seen.again(key),
                    disposition=actual if said else None,
                    seen_at_ms=now_ms,
                    over=GIVES_WAY[actual] if known else None,
                    payments=work.payments,
                    conflicts=work.conflicts,
                    detail=work.item.detail,
                )
        updates |= {repeat.key: repeat for repeat in seen.barren(now_ms)}
        if updates:
            await self._deliveries.repeat(list(updates.values()))


async def _both(payments: Awaitable[list[Group]], deliveries: Awaitable[Seen]) -> tuple[list[Group], Seen]:
    """Await both writes to the end, then raise the first error: neither may still run when the batch is answered."""
    settled, seen = await asyncio.gather(payments, deliveries, return_exceptions=True)
    if isinstance(settled, BaseException):
        raise settled
    if isinstance(seen, BaseException):
        raise seen
    return settled, seen
