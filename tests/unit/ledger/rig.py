"""A recorder on memory, with a clock that a test sets."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.tracing import Tracing
from services.ledger.analysis_policy import Selects
from services.ledger.model import Failure, Item, ItemResult, Outcome
from services.ledger.recording import Recorder
from services.ledger.spans import SpanMaker
from tests.fakes.deliveries import MemoryDeliveries
from tests.fakes.ledger_items import NOW_MS
from tests.fakes.payments import MemoryPayments


class Rig:
    """The recorder and the two stores it writes to."""

    def __init__(self, payments: MemoryPayments | None = None, *, selects: Selects | None = None) -> None:
        """Begin empty, at NOW_MS; payments that `selects` are queued for analysis."""
        self.payments = payments or MemoryPayments()
        self.deliveries = MemoryDeliveries()
        self.now_ms = NOW_MS
        self.recorder = Recorder(
            self.payments,
            self.deliveries,
            clock_ms=lambda: self.now_ms,
            spans=SpanMaker(Tracing(None, ratio=0)),
            selects=selects,
        )

    async def record(self, *items: Item) -> Sequence[ItemResult]:
        """Record one batch."""
        return await self.recorder.record(items)

    async def outcomes(self, *items: Item) -> list[list[Outcome] | Failure]:
        """Record one batch and return each item's outcomes, or its failure."""
        return [outcome_of(result) for result in await self.record(*items)]


def outcome_of(result: ItemResult) -> list[Outcome] | Failure:
    """Return the outcomes of an item's events, or its failure."""
    return result.failure or [each.outcome for each in result.events]
