"""A scorer that gives every event the same risk, as ingest's port has it."""

from __future__ import annotations

from collections.abc import Sequence

from services.ingest.model import Entry, RiskMessage

RISK = RiskMessage("a risk")


class FakeScorer:
    """Gives RISK to each event, or raises the error that was set; remembers what it was asked."""

    def __init__(self) -> None:
        """Start without an error."""
        self.asked: list[Sequence[Entry]] = []
        self.timeouts_s: list[float] = []
        self.error: Exception | None = None

    async def score(self, entries: Sequence[Entry], *, timeout_s: float) -> Sequence[RiskMessage]:
        """Return a risk per event."""
        self.asked.append(entries)
        self.timeouts_s.append(timeout_s)
        if self.error is not None:
            raise self.error
        return [RISK for entry in entries for _ in entry.events]
