"""What the ledger counts of its writes, per batch."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Histogram

from mesh.metrics import Counts
from services.ledger.model import ItemResult

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class LedgerMetrics:
    """Outcomes of events, what failed, how long a batch took. Fits `services.ledger.intake.Written`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self._outcomes = Counts("ledger_outcomes", "Events by what was done with them.", ("outcome",), registry)
        self._items = Counts("ledger_items", "Deliveries by disposition, or why they failed.", ("result",), registry)
        self._seconds = Histogram(
            "ledger_write_seconds",
            "Time of a batch to be durable at a majority, or to fail.",
            buckets=_SECONDS,
            registry=registry,
        )

    def written(self, results: Sequence[ItemResult], duration_s: float) -> None:
        """Count one batch."""
        self._seconds.observe(duration_s)
        outcomes = Tally(event.outcome for result in results for event in result.events)
        for outcome, count in outcomes.items():
            self._outcomes.add(outcome.name.lower(), by=count)
        for result, count in Tally(map(_result, results)).items():
            self._items.add(result, by=count)


def _result(result: ItemResult) -> str:
    if result.failure is not None:
        return result.failure.value
    return result.disposition.name.lower() if result.disposition is not None else "none"
