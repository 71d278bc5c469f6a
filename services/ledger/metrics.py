"""What the ledger counts of its writes, per batch."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from opentelemetry.trace import Span
from prometheus_client import CollectorRegistry

from mesh.metrics import Counts, Durations
from services.ledger.model import Disposition, Failure, ItemResult

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class LedgerMetrics:
    """Outcomes of events, what failed, how long a batch took. Fits `Written` and `Sampled`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self._outcomes = Counts("ledger_outcomes", "Events by what was done with them.", ("outcome",), registry)
        self._items = Counts("ledger_items", "Deliveries by disposition, or why they failed.", ("result",), registry)
        text = "Time of a batch to be durable at a majority, or to fail."
        self._seconds = Durations("ledger_write_seconds", text, _SECONDS, registry)
        self._span: Span | None = None

    def written(self, results: Sequence[ItemResult], duration_s: float) -> None:
        """Count one batch."""
        self._seconds.observe(duration_s)
        if self._span is not None:
            self._seconds.exemplify(duration_s, self._span)
            self._span = None
        outcomes = Tally(event.outcome for result in results for event in result.events)
        for outcome, count in outcomes.items():
            self._outcomes.add(outcome.name.lower(), by=count)
        # Names are asked for once per kind: looking up an enum's costs more than counting it.
        for end, count in Tally(result.failure or result.disposition for result in results).items():
            self._items.add(_word(end), by=count)

    def sampled(self, span: Span) -> None:
        """Name the trace of an item beside the time its batch took, of which `written` is told next."""
        self._span = span


def _word(end: Failure | Disposition | None) -> str:
    if isinstance(end, Failure):
        return end.value
    return end.name.lower() if end is not None else "none"
