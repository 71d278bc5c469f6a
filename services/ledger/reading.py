"""Reading payments: one, many by name, and page by page along one index."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from mesh.errors import Fault, Kind
from services.ledger.analysis import AnalysisState
from services.ledger.paging import PageTokens
from services.ledger.read_ports import (
    ANY_PAYMENT,
    Found,
    PaymentFilter,
    PaymentReads,
    RowKey,
    Scan,
    SelectBy,
    facts_of,
)

# A payment recorded a moment ago by another replica may still appear before this one: oldest-first pages, which nobody
# turns back, stop short of now.
_SETTLED_MS: Final = 5_000
# A filter looks at no more rows than this for one page, and then hands out a short one.
_SCANNED_ROWS_MAX: Final = 2_000
_SCANNED_PER_ROW: Final = 10
_SCANNED_EXTRA: Final = 100
_CHUNK_ROWS_MAX: Final = 500
_ANALYSIS_TO_COME: Final = frozenset({AnalysisState.QUEUED, AnalysisState.LEASED})
# The queue is no change of a payment, so nothing streams it.
_ANALYSIS_POLL_S: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What is listed. Times are milliseconds since the Unix epoch, 0 for no bound; `until_ms` is exclusive.

    `by` holds one condition, or two whose rows are merged: a payment's account on either side.
    """

    by: tuple[SelectBy, ...] = (SelectBy.EVERYTHING,)
    value: str | IntEnum = ""
    wanted: PaymentFilter = ANY_PAYMENT
    since_ms: int = 0
    until_ms: int = 0
    ascending: bool = False
    page_rows: int = 50

    @property
    def identity(self) -> tuple[object, ...]:
        """What a page token is bound to: all of it."""
        wanted = self.wanted
        return (
            tuple(int(by) for by in self.by),
            str(self.value),
            wanted.source,
            int(wanted.status or 0),
            wanted.currency,
            wanted.amount_min,
            wanted.amount_max,
            int(wanted.risk_level or 0),
            self.since_ms,
            self.until_ms,
            self.ascending,
            self.page_rows,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page; an empty token means it was the last."""

    rows: Sequence[Found]
    next_token: str


class Reader:
    """Reads payments."""

    def __init__(self, payments: PaymentReads, tokens: PageTokens, *, clock_ms: Callable[[], int]) -> None:
        """Read from `payments`; `clock_ms` tells milliseconds since the Unix epoch."""
        self._payments = payments
        self._tokens = tokens
        self._clock_ms = clock_ms

    async def get(self, source: str, tx_id: str, *, events: bool) -> Found:
        """Return one payment.

        Raises:
            Fault: NOT_FOUND; UNAVAILABLE, storage can't be reached.
        """
        found = await self._payments.find([f"{source}:{tx_id}"], events=events)
        if not found:
            raise Fault(
                kind=Kind.NOT_FOUND,
                reason="NOT_FOUND",
                message=f"There is no payment {tx_id} of source {source}.",
                metadata={"source": source, "tx_id": tx_id},
            )
        return found[0]

    async def until_analysed(self, source: str, tx_id: str, *, wait_s: float) -> None:
        """Return once nothing more is to come of a payment's analysis, or `wait_s` have passed.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached.
        """
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            found = await self._payments.find([f"{source}:{tx_id}"], events=False)
            analysis = found[0].payment.analysis if found else None
            left_s = deadline - asyncio.get_running_loop().time()
            if analysis is None or analysis.state not in _ANALYSIS_TO_COME or left_s <= 0:
                return
            await asyncio.sleep(min(_ANALYSIS_POLL_S, left_s))

    async def version_of(self, source: str, tx_id: str) -> int:
        """Return a payment's version, 0 where there is none.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached.
        """
        found = await self._payments.find([f"{source}:{tx_id}"], events=False)
        return found[0].payment.version if found else 0

    async def get_many(self, names: Sequence[tuple[str, str]]) -> Sequence[Found]:
        """Return the payments there are among those of these sources and ids, each once, without their events.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached.
        """
        ids = dict.fromkeys(f"{source}:{tx_id}" for source, tx_id in names)
        return await self._payments.find(list(ids), events=False)

    async def page(self, query: ListQuery, token: str) -> Page:
        """Return the page that a token starts, the first for an empty one.

        With a filter a page may be short, even empty, and still have a next one.

        Raises:
            Fault: INVALID, the token is none of this query's; UNAVAILABLE, storage can't be reached.
        """
        after = self._tokens.read(query.identity, token) if token else None
        rows: list[Found] = []
        scanned = 0
        scanned_max = self._scanned_max(query)
        while True:
            wanted_rows = query.page_rows + 1 - len(rows)
            chunk_max = min(scanned_max - scanned, _CHUNK_ROWS_MAX)
            if query.wanted == ANY_PAYMENT:
                chunk_max = wanted_rows
            chunk = await self._chunk(query, after, chunk_max)
            for found in chunk:
                if not query.wanted.matches(facts_of(found.payment)):
                    continue
                if len(rows) == query.page_rows:
                    return Page(rows=rows, next_token=self._tokens.issue(query.identity, key_of(rows[-1])))
                rows.append(found)
            if len(chunk) < chunk_max:
                return Page(rows=rows, next_token="")
            after = key_of(chunk[-1])
            scanned += len(chunk)
            if scanned >= scanned_max:
                return Page(rows=rows, next_token=self._tokens.issue(query.identity, after))

    @staticmethod
    def _scanned_max(query: ListQuery) -> int:
        if query.wanted == ANY_PAYMENT:
            return query.page_rows + 1
        return min(_SCANNED_PER_ROW * query.page_rows + _SCANNED_EXTRA, max(_SCANNED_ROWS_MAX, query.page_rows))

    async def _chunk(self, query: ListQuery, after: RowKey | None, rows_max: int) -> Sequence[Found]:
        until_ms = query.until_ms
        if query.ascending:
            settled_ms = self._clock_ms() - _SETTLED_MS
            until_ms = min(until_ms or settled_ms, settled_ms)
        scan = Scan(
            by=query.by[0],
            value=query.value,
            since_ms=query.since_ms,
            until_ms=until_ms,
            ascending=query.ascending,
            after=after,
            rows_max=rows_max,
        )
        walks = [await self._payments.scan(replace(scan, by=by)) for by in query.by]
        if len(walks) == 1:
            return walks[0]
        merged: dict[str, Found] = {}
        for found in heapq.merge(*walks, key=lambda found: key_of(found).order, reverse=not query.ascending):
            merged.setdefault(found.payment.id, found)
            if len(merged) == rows_max:
                break
        return list(merged.values())


def key_of(found: Found) -> RowKey:
    """Return where a row stands in a list."""
    return RowKey(recorded_at_ms=found.payment.recorded_at_ms, id=found.payment.id)
