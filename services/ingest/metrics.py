"""What ingest counts."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from mesh.metrics import Counts
from services.ingest.model import Answer, Disposition


class IngestMetrics:
    """Deliveries by what became of them, and events by whether a score came in time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self.deliveries = Counts(
            "ingest_deliveries", "Deliveries answered.", ("disposition", "durable", "reason"), registry
        )
        self.scores = Counts("ingest_scores", "Events by what scoring them gave.", ("result",), registry)

    def answered(self, answers: Sequence[Answer]) -> None:
        """Count a batch of answers."""
        # Together by kind: an increment takes a lock, and a batch is mostly of one kind.
        tally: dict[tuple[Disposition, bool, str], int] = {}
        for answer in answers:
            kind = (answer.disposition, answer.durable, answer.reason)
            tally[kind] = tally.get(kind, 0) + 1
        for (disposition, durable, reason), count in tally.items():
            self.deliveries.add(disposition.name.lower(), "yes" if durable else "no", reason, by=count)
