"""The quarantine: what arrived and is not recorded, listed for people, ended by them, or run through ingest again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from structlog.typing import FilteringBoundLogger

from mesh.errors import Fault, Kind
from services.ledger.correcting import Acceptance, Corrector
from services.ledger.dispositions import ENDS, ENDS_AS, Resolution
from services.ledger.model import Disposition, NotDurable
from services.ledger.paging import PageTokens
from services.ledger.quarantine_ports import DeliveryScan, KeptDeliveries, KeptDelivery, Resolved

_POLL_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryQuery:
    """What is listed: dispositions, a source (empty for any), received at or after (ms since the Unix epoch)."""

    dispositions: frozenset[Disposition]
    source: str = ""
    received_since_ms: int = 0
    page_rows: int = 50
    body: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        """What a page token is bound to: all of it."""
        wanted = tuple(sorted(int(each) for each in self.dispositions))
        return ("deliveries", wanted, self.source, self.received_since_ms, self.page_rows, self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPage:
    """One page; an empty token means it was the last."""

    rows: Sequence[KeptDelivery]
    next_token: str


class Quarantine:
    """Lists, resolves and hands out deliveries."""

    def __init__(
        self,
        deliveries: KeptDeliveries,
        corrector: Corrector,
        tokens: PageTokens,
        *,
        clock_ms: Callable[[], int],
        log: FilteringBoundLogger,
    ) -> None:
        """Read and move these deliveries, correct payments through `corrector`; log every decision."""
        self._deliveries = deliveries
        self._corrector = corrector
        self._tokens = tokens
        self._clock_ms = clock_ms
        self._log = log

    async def get(self, delivery_key: str, *, body: bool) -> KeptDelivery:
        """Return one delivery.

        Raises:
            Fault: NOT_FOUND; UNAVAILABLE, storage can't be reached.
        """
        found = await self._deliveries.find(delivery_key, body=body)
        if found is None:
            raise Fault(
                kind=Kind.NOT_FOUND,
                reason="NOT_FOUND",
                message="There is no such delivery.",
                metadata={"id": delivery_key},
            )
        return found

    async def page(self, query: DeliveryQuery, token: str) -> DeliveryPage:
        """Return the page that a token starts, the first for an empty one; newest first.

        Raises:
            Fault: INVALID, the token is none of this query's; UNAVAILABLE, storage can't be reached.
        """
        scan = DeliveryScan(
            dispositions=query.dispositions,
            source=query.source,
            received_since_ms=query.received_since_ms,
            after=self._tokens.read(query.identity, token) if token else None,
            rows_max=query.page_rows + 1,
            body=query.body,
        )
        rows = await self._deliveries.scan(scan)
        if len(rows) <= query.page_rows:
            return DeliveryPage(rows=rows, next_token="")
        rows = rows[: query.page_rows]
        return DeliveryPage(rows=rows, next_token=self._tokens.issue(query.identity, rows[-1].key))

    async def resolve(self, delivery_key: str, resolution: Resolution, *, author: str, note: str) -> KeptDelivery:
        """End a delivery's quarantine; the same decision again changes nothing.

        Raises:
            Fault: NOT_FOUND; CONFLICT with reason NOT_RESOLVABLE, it can't end this way; UNAVAILABLE.
        """
        kept = await self.get(delivery_key, body=False)
        if _ended_so(kept, resolution):
            return kept
        if kept.disposition not in ENDS[resolution] or (kept.erased and resolution is Resolution.REDRIVE):
            raise _not_resolvable(kept, resolution)
        resolved = Resolved(resolution=resolution, author=author, note=note, at_ms=self._clock_ms())
        try:
            if resolution is Resolution.ACCEPT:
                await self._accept(kept, resolved)
            moved = await self._deliveries.resolve(
                delivery_key, before=kept.disposition, after=ENDS_AS[resolution], resolved=resolved
            )
        except NotDurable as error:
            raise _not_durable() from error
        if moved is None:
            moved = await self.get(delivery_key, body=False)
            if not _ended_so(moved, resolution):
                raise _not_resolvable(moved, resolution)
            return moved
        self._log.info(
            "delivery resolved",
            delivery=delivery_key,
            resolution=resolution.name.lower(),
            before=kept.disposition.name.lower(),
            author=author,
            note=note,
        )
        return moved

    async def lease(self, *, worker: str, count_max: int, lease_ms: int, wait_s: float) -> Sequence[KeptDelivery]:
        """Hand out waiting deliveries, each to one worker for `lease_ms`; wait up to `wait_s` for the first.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            try:
                leased = await self._deliveries.lease(count_max=count_max, lease_ms=lease_ms)
            except NotDurable as error:
                raise _not_durable() from error
            left_s = deadline - loop.time()
            if leased or left_s <= 0:
                break
            await asyncio.sleep(min(_POLL_S, left_s))
        if leased:
            self._log.info("deliveries leased", worker=worker, deliveries=[each.id for each in leased])
        return leased

    async def _accept(self, kept: KeptDelivery, resolved: Resolved) -> None:
        if not kept.conflicts or len(kept.conflicts) != kept.conflict_count:
            raise _not_resolvable(kept, Resolution.ACCEPT)
        acceptance = Acceptance(
            source=kept.source,
            delivery=kept.id,
            author=resolved.author,
            note=resolved.note,
            now_ms=resolved.at_ms,
        )
        for conflict in kept.conflicts:
            await self._corrector.accept(conflict, acceptance)


def _ended_so(kept: KeptDelivery, resolution: Resolution) -> bool:
    """Return whether this very decision was the last one, and still stands."""
    last = kept.resolutions[-1].resolution if kept.resolutions else None
    return last is resolution and kept.disposition is ENDS_AS[resolution]


def _not_resolvable(kept: KeptDelivery, resolution: Resolution) -> Fault:
    disposition = kept.disposition.name.lower()
    return Fault(
        kind=Kind.CONFLICT,
        reason="NOT_RESOLVABLE",
        message=f"A delivery that is {disposition} can't end by {resolution.name.lower()}.",
        metadata={"disposition": disposition},
    )


def _not_durable() -> Fault:
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="NOT_DURABLE",
        message="Whether it was written is unknown; send the same request again, it can't be doubled.",
        retry_after_s=1.0,
    )
