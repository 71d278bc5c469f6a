"""Insight's own metrics: what was scored, what was learnt, how far behind the feed is."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from mesh.metrics import Counts
from services.insight.model import Risk


class InsightMetrics:
    """Fits the observers of scoring and of learning."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self._scores = Counts("insight_scores", "Payments scored, by level.", ("level",), registry)
        self._changes = Counter("insight_feed_changes", "Changes taken in from the ledger's feed.", registry=registry)
        self._lag = Gauge("insight_feed_lag_seconds", "Age of the payment learnt last.", registry=registry)
        self._leading = Gauge("insight_learning", "1 where this replica learns.", registry=registry)

    def scored(self, risks: Sequence[Risk]) -> None:
        """Count a batch."""
        for level, count in Tally(risk.level for risk in risks).items():
            self._scores.add(level.name.lower(), by=count)

    def learnt(self, *, changes: int, newest_at_ms: int) -> None:
        """Count changes, and say how old the newest is."""
        self._changes.inc(changes)
        if newest_at_ms:
            self._lag.set(max(time.time() - newest_at_ms / 1000, 0.0))

    def leading(self, *, holds: bool) -> None:
        """Say whether learning happens here."""
        self._leading.set(1 if holds else 0)
