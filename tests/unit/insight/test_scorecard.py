"""The scorecard: learning by sums, and taking labels back."""

from __future__ import annotations

import random

import pytest

from services.insight.features import FEATURES
from services.insight.scorecard import PRIOR_WEIGHTS, SIZE, Evidence, logistic, points_of, site_of

NOW_S = 1_700_000_000.0
TRUE = [0.0] * SIZE
TRUE[0], TRUE[3], TRUE[-1] = 2.0, -1.5, -3.0


def a_sample(rng: random.Random) -> tuple[list[float], bool]:
    """A vector, and whether it was fraud, by a law that the rules don't know."""
    vector = [rng.random() * 2 if rng.random() < 0.4 else 0.0 for _ in FEATURES]
    return vector, rng.random() < logistic(points_of(vector, TRUE))


def test_without_labels_the_rules_hold() -> None:
    """No label leaves the prior weights."""
    assert Evidence().weights() == pytest.approx(PRIOR_WEIGHTS)


def test_labels_teach_what_counts() -> None:
    """After thousands of labels the weights are on the way to their law, and scores sum up to about the frauds."""
    rng, evidence, weights = random.Random(3), Evidence(), PRIOR_WEIGHTS
    for number in range(6_000):
        vector, fraud = a_sample(rng)
        evidence.add(vector, site_of(vector, weights, fraud=fraud, weight=1.0), NOW_S + number, fraud=fraud)
        if number % 200 == 0:
            weights = evidence.weights()
    weights = evidence.weights()
    assert 1.0 < weights[0] < 2.4
    assert -2.0 < weights[3] < PRIOR_WEIGHTS[3] - 1.5
    fresh = [a_sample(rng) for _ in range(4_000)]
    expected = sum(logistic(points_of(vector, weights)) for vector, _ in fresh)
    assert 0.6 < sum(fraud for _, fraud in fresh) / expected < 1.1


def test_a_sample_of_the_legitimate_teaches_the_same() -> None:
    """One in eight legitimate payments with eight times the weight teaches the same direction and size."""
    rng, evidence, weights = random.Random(4), Evidence(), PRIOR_WEIGHTS
    for number in range(16_000):
        vector, fraud = a_sample(rng)
        if fraud or number % 8 == 0:
            weight = 1.0 if fraud else 8.0
            evidence.add(vector, site_of(vector, weights, fraud=fraud, weight=weight), NOW_S, fraud=fraud)
        if number % 400 == 0:
            weights = evidence.weights()
    learnt = evidence.weights()
    assert 1.0 < learnt[0] < 2.4
    assert -2.0 < learnt[3] < PRIOR_WEIGHTS[3] - 1.5


def test_a_label_taken_back_leaves_what_never_was() -> None:
    """Sites taken out again, after others came in between, leave the weights of never having been labelled."""
    rng, never, taken = random.Random(5), Evidence(), Evidence()
    wrong = []
    for number in range(500):
        vector, fraud = a_sample(rng)
        at_s = NOW_S + number * 86_400
        site = site_of(vector, PRIOR_WEIGHTS, fraud=fraud, weight=1.0)
        taken.add(vector, site, at_s, fraud=fraud)
        if number % 5:
            never.add(vector, site, at_s, fraud=fraud)
        else:
            wrong.append((vector, site, at_s, fraud))
    for vector, site, at_s, fraud in wrong:
        taken.add(vector, site, at_s, fraud=fraud, sign=-1.0)
    assert taken.weights() == pytest.approx(never.weights(), abs=1e-6)


def test_old_labels_fade() -> None:
    """What was learnt long ago gives way to the rules when the newest label says something else."""
    evidence, vector = Evidence(), [1.0] + [0.0] * (len(FEATURES) - 1)
    for _ in range(500):
        evidence.add(vector, site_of(vector, PRIOR_WEIGHTS, fraud=True, weight=1.0), NOW_S, fraud=True)
    learnt = evidence.weights()
    other = [0.0, 1.0] + [0.0] * (len(FEATURES) - 2)
    evidence.add(other, site_of(other, learnt, fraud=False, weight=1.0), NOW_S + 900 * 86_400, fraud=False)
    assert abs(evidence.weights()[0] - PRIOR_WEIGHTS[0]) < 0.1 * abs(learnt[0] - PRIOR_WEIGHTS[0])


def test_a_few_frauds_leave_the_rules_in_charge() -> None:
    """Three surprising labels move no weight by as much as a fifth of what fifty do, and legitimate ones alone none."""
    vector = [2.0] + [0.0] * (len(FEATURES) - 1)

    def moved(frauds: int, legitimate: int) -> float:
        evidence = Evidence()
        for number in range(frauds + legitimate):
            fraud = number < frauds
            evidence.add(vector, site_of(vector, PRIOR_WEIGHTS, fraud=fraud, weight=1.0), NOW_S, fraud=fraud)
        return abs(evidence.weights()[0] - PRIOR_WEIGHTS[0])

    assert moved(0, 500) == 0.0
    assert moved(3, 0) < 0.2 * moved(50, 0)


def test_one_label_never_throws_the_weights_far_off() -> None:
    """A fraud where the weights were sure of the contrary asks for a few steps of log-odds, not for a hundred."""
    vector = [1.0] * len(FEATURES)
    sure = (*(0.0 for _ in FEATURES), -20.0)
    site = site_of(vector, sure, fraud=True, weight=1.0)
    assert site.pull / site.precision - -20.0 == pytest.approx(4.0, abs=1e-3)
