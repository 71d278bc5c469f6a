"""Drift: the population stability index, and what the metrics say of it."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from services.insight.drift import Drift
from services.insight.memory import DAY_S
from services.insight.metrics import InsightMetrics
from services.insight.model import Level, Risk
from tests.insight_teaching import a_payment

NOW_S = 1_700_000_000.0


def test_what_stays_as_it_was_has_no_drift() -> None:
    """The same mixture day after day has an index of nearly 0."""
    drift = Drift()
    for day in range(40):
        drift.add([0] * 900 + [5] * 100, NOW_S + day * DAY_S)
    assert drift.psi() == pytest.approx(0.0, abs=1e-6)


def test_a_change_shows_and_becomes_usual() -> None:
    """Another mixture from one day to the next is above 0.25, and some months later it is the usual one."""
    drift = Drift()
    for day in range(30):
        drift.add([0] * 900 + [5] * 100, NOW_S + day * DAY_S)
    drift.add([0] * 300 + [5] * 700, NOW_S + 30 * DAY_S)
    assert drift.psi() > 0.25
    for day in range(31, 180):
        drift.add([0] * 300 + [5] * 700, NOW_S + day * DAY_S)
    assert drift.psi() < 0.01


def test_a_few_payments_say_nothing() -> None:
    """Below a hundred payments there is no index."""
    drift = Drift()
    assert drift.psi() == 0.0
    drift.add([1] * 50, NOW_S)
    assert drift.psi() == 0.0


def test_the_metrics_tell_distribution_and_drift() -> None:
    """Scores are counted by twentieths, and both indexes are there to scrape."""
    registry = CollectorRegistry()
    metrics = InsightMetrics(registry)
    metrics.scored([Risk(score=score, level=Level.LOW) for score in (0.011, 0.012, 0.99, 1.0)])
    metrics.learnt(changes=3, payments=[a_payment(500), a_payment(1)])
    value = registry.get_sample_value
    assert value("insight_score_bins_total", {"from": "0.00"}) == 2
    assert value("insight_score_bins_total", {"from": "0.95"}) == 2
    assert value("insight_drift_psi", {"of": "score"}) == 0.0
    assert value("insight_drift_psi", {"of": "amount"}) == 0.0
    assert value("insight_feed_changes_total") == 3
