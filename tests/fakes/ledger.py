"""A ledger in memory, as ingest's port has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mesh.errors import Fault
from services.ingest.model import Answer, Disposition, Entry, EventOutcome, RiskMessage


class FakeLedger:
    """Says RECORDED to everything with events; remembers what it was given."""

    def __init__(self) -> None:
        """Start empty."""
        self.entries: list[Entry] = []
        self.risks: list[RiskMessage | None] = []
        self.timeouts_s: list[float] = []
        self.fault: Fault | None = None
        self.answer_to: Callable[[Entry], Answer] = recorded

    async def record(
        self, entries: Sequence[Entry], risks: Sequence[RiskMessage | None], *, timeout_s: float
    ) -> Sequence[Answer]:
        """Answer each entry, or raise the fault that was set."""
        self.timeouts_s.append(timeout_s)
        if self.fault is not None:
            raise self.fault
        self.entries.extend(entries)
        self.risks.extend(risks)
        return [self.answer_to(entry) for entry in entries]


def recorded(entry: Entry) -> Answer:
    """The answer to an entry nobody has seen before."""
    outcomes = [
        EventOutcome(tx_id="T-1", event_id="E-1", outcome=1, status=5, version=1, conflict_field="", risk=None)
        for _ in entry.events
    ]
    return Answer(disposition=entry.disposition or Disposition.RECORDED, durable=True, events=outcomes)
