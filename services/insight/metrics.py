"""Insight's own metrics: what was scored, what was learnt, how far behind the feed is."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Sequence
from math import log
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from mesh.metrics import Counts
from services.insight.drift import Drift
from services.insight.labels import Label
from services.insight.magnitude import log_amount
from services.insight.model import Payment, Risk
from services.insight.verdicts import Case

_BINS: Final = 20
_LN_2: Final = log(2.0)


class InsightMetrics:
    """Fits the observers of scoring, of learning, of labelling and of judging."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self._scores = Counts("insight_scores", "Payments scored, by level.", ("level",), registry)
        self._changes = Counter("insight_feed_changes", "Changes taken in from the ledger's feed.", registry=registry)
        self._lag = Gauge("insight_feed_lag_seconds", "Age of the payment learnt last.", registry=registry)
        self._bins = Counts("insight_score_bins", "Payments scored, by twentieths of the score.", ("from",), registry)
        self._score_drift, self._amount_drift = Drift(), Drift()
        drift = Gauge(
            "insight_drift_psi",
            "Population stability index of the last day against thirty days, since the process began.",
            ("of",),
            registry=registry,
        )
        drift.labels("score").set_function(self._score_drift.psi)
        drift.labels("amount").set_function(self._amount_drift.psi)
        self._labels = Counts(
            "insight_labels", "Labels that changed, by what they say and who says it.", ("label", "by"), registry
        )
        self._verdicts = Counts(
            "insight_verdicts", "Changes of how payments count, by what they count as now.", ("as",), registry
        )
        for label in Label:
            for by in ("call", "dispute"):
                self._labels.add(label.name.lower(), by, by=0)
        for verdict in ("fraud", "legitimate", "nothing"):
            self._verdicts.add(verdict, by=0)
        self._leading = Gauge("insight_learning", "1 where this replica learns.", registry=registry)

    def scored(self, risks: Sequence[Risk]) -> None:
        """Count a batch."""
        for level, count in Tally(risk.level for risk in risks).items():
            self._scores.add(level.name.lower(), by=count)
        twentieths = (min(int(risk.score * _BINS), _BINS - 1) for risk in risks)
        for twentieth, count in self._score_drift.add(twentieths, time.time()).items():
            self._bins.add(f"{twentieth / _BINS:.2f}", by=count)

    def learnt(self, *, changes: int, payments: Sequence[Payment]) -> None:
        """Count changes, and say how old the newest payment is."""
        self._changes.inc(changes)
        if payments:
            now_s = time.time()
            self._lag.set(max(now_s - payments[-1].at_ms / 1000, 0.0))
            # Doublings of a dollar.
            sizes = (int(log_amount(payment.minor_units, payment.currency) / _LN_2) for payment in payments)
            self._amount_drift.add(sizes, now_s)

    def leading(self, *, holds: bool) -> None:
        """Say whether learning happens here."""
        self._leading.set(1 if holds else 0)

    def labelled(self, label: Label, *, by: str) -> None:
        """Count a label that changed."""
        self._labels.add(label.name.lower(), by)

    def judged(self, cases: Sequence[Case]) -> None:
        """Count new verdicts."""
        for case in cases:
            if case.verdict is not None:
                after = case.verdict.after
                self._verdicts.add("nothing" if after is None else "fraud" if after.fraud else "legitimate")
