"""What ingest counts."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from mesh.metrics import Counts
from services.ingest.model import Answer


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
        tally: dict[tuple[str, str, str], int] = {}
        for answer in answers:
            kind = (answer.disposition.name.lower(), "yes" if answer.durable else "no", answer.reason)
            tally[kind] = tally.get(kind, 0) + 1
        for kind, count in tally.items():
            self.deliveries.add(*kind, by=count)
