"""The edge's port `Ledger` in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from edge.model import Analysed
from edge.questions import PaymentsQuestion
from edge.representations import FullPayment, Payment
from mesh.errors import Fault, Kind


class FakeLedgerReads:
    """Knows the payments it was given.

    Attributes:
        payments: by source and id.
        asked: every question for ids, in order.
        pages: every question for a page, in order.
        cursor: what the next page is told to be.
        full_reads: every payment read in full, and who read it.
        analysed_after_s: how long an analysis takes.
        analysis: what it comes to.
        fault: raised instead of an answer, where set.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self.payments: dict[tuple[str, str], Payment] = {}
        self.asked: list[tuple[tuple[str, ...], str]] = []
        self.pages: list[PaymentsQuestion] = []
        self.cursor = ""
        self.full_reads: list[tuple[str, str, str]] = []
        self.analysed_after_s = 0.0
        self.analysis = Analysed(state="none", analysis=None)
        self.fault: Fault | None = None

    async def find(self, sources: Sequence[str], tx_id: str, *, timeout_s: float) -> Sequence[Payment]:
        """Return what is known under the sources."""
        self.asked.append((tuple(sources), tx_id))
        self._fail()
        return [self.payments[source, tx_id] for source in sources if (source, tx_id) in self.payments]

    async def full(self, source: str, tx_id: str, *, reader: str, timeout_s: float) -> FullPayment:
        """Return what is known, without an event."""
        self._fail()
        if (source, tx_id) not in self.payments:
            raise Fault(kind=Kind.NOT_FOUND, reason="NOT_FOUND", message="There is no payment of this id.")
        self.full_reads.append((source, tx_id, reader))
        payment = self.payments[source, tx_id]
        return FullPayment(**payment, description=None, events=[], analysis=None, analysis_error=None)

    async def analysed(self, source: str, tx_id: str, *, wait_s: float) -> Analysed:
        """Wait as long as the analysis takes, at most as long as asked."""
        await asyncio.sleep(min(wait_s, self.analysed_after_s))
        self._fail()
        return self.analysis if self.analysed_after_s <= wait_s else Analysed(state="queued", analysis=None)

    async def page(self, question: PaymentsQuestion, *, timeout_s: float) -> tuple[Sequence[Payment], str]:
        """Return everything that is known."""
        self.pages.append(question)
        self._fail()
        return list(self.payments.values()), self.cursor

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
