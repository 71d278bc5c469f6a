"""Profiles: decay, order, winsorising."""

from __future__ import annotations

from math import exp, isfinite, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insight.profile import (
    AMOUNT,
    BURST_S,
    COUNT,
    DAY_S,
    LOG,
    LOG_SQUARED,
    MEMORIES_S,
    MONTH,
    SUMS_PER_MEMORY,
    WIDE,
    WINSOR_Z,
    Prior,
    Profile,
    prior_of,
)

START_S = 1_700_000_000.0
times = st.floats(min_value=START_S, max_value=START_S + 400 * DAY_S)
sizes = st.floats(min_value=-5.0, max_value=40.0)
payments = st.lists(st.tuples(times, sizes), min_size=1, max_size=30)


def filled(history: list[tuple[float, float]]) -> Profile:
    """A profile of these payments as they are."""
    profile = Profile()
    for at_s, size in history:
        profile.add(at_s, size)
    return profile


def as_of(profile: Profile, at_s: float) -> list[float]:
    """The sums with their weights relative to one time, so that two profiles can be compared."""
    weights = [exp((profile.landmark_s - at_s) / memory_s) for memory_s in MEMORIES_S for _ in range(SUMS_PER_MEMORY)]
    return [total * weight for total, weight in zip(profile.sums, weights, strict=True)]


@given(payments, st.randoms(use_true_random=False))
def test_order_does_not_matter(history: list[tuple[float, float]], random: object) -> None:
    """Payments that arrive in another order leave the same sums, up to rounding."""
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    end_s = START_S + 400 * DAY_S
    assert as_of(filled(shuffled), end_s) == pytest.approx(as_of(filled(history), end_s), rel=1e-9, abs=1e-200)


@given(payments)
def test_sums_are_what_decay_says(history: list[tuple[float, float]]) -> None:
    """Each sum equals the payments weighed one by one by their age, however often the landmark moved."""
    end_s = max(at_s for at_s, _ in history)
    sums = as_of(filled(history), end_s)
    for place, memory_s in enumerate(MEMORIES_S):
        weights = [exp((at_s - end_s) / memory_s) for at_s, _ in history]
        base = place * SUMS_PER_MEMORY
        assert sums[base + COUNT] == pytest.approx(sum(weights), rel=1e-9)
        assert sums[base + LOG] == pytest.approx(
            sum(weight * size for weight, (_, size) in zip(weights, history, strict=True)), rel=1e-9, abs=1e-9
        )
        assert sums[base + AMOUNT] == pytest.approx(
            sum(weight * exp(size) for weight, (_, size) in zip(weights, history, strict=True)), rel=1e-9
        )


@given(payments, sizes)
def test_an_outlier_teaches_no_more_than_its_limit(history: list[tuple[float, float]], size: float) -> None:
    """What a payment adds lies within three standard deviations of what was expected before it."""
    profile = filled(history)
    at_s = max(at_s for at_s, _ in history)
    _, mean, deviation = profile.expected(at_s, WIDE)
    before = as_of(profile, at_s)
    profile.learn(at_s, size)
    added = as_of(profile, at_s)[MONTH + LOG] - before[MONTH + LOG]
    assert abs(added - mean) <= WINSOR_Z * deviation * (1 + 1e-6) + 1e-6


@given(payments, sizes)
def test_expectation_is_always_usable(history: list[tuple[float, float]], mean: float) -> None:
    """The expected mean is finite and the deviation positive, whatever was paid."""
    count, expected, deviation = filled(history).expected(START_S + 400 * DAY_S, Prior(mean=mean, variance=2.0))
    assert count >= 0
    assert isfinite(expected)
    assert 0 < deviation < 1e3


@given(payments)
def test_a_stored_profile_is_the_same_profile(history: list[tuple[float, float]]) -> None:
    """A profile made from its stored state is equal to the last bit, and goes on alike."""
    profile = filled(history)
    again = Profile(profile.state())
    assert again.state() == profile.state()
    for each in (profile, again):
        each.learn(START_S + 401 * DAY_S, 3.0)
    assert again.state() == profile.state()


def test_one_outlier_does_not_hide_the_next() -> None:
    """After twenty payments of 20 and one of a million, another million still stands far out."""
    profile = Profile()
    for day in range(20):
        profile.learn(START_S + day * DAY_S, log(20 + day % 5))
    profile.learn(START_S + 20 * DAY_S, log(1_000_000))
    _, mean, deviation = profile.expected(START_S + 21 * DAY_S, WIDE)
    assert (log(1_000_000) - mean) / deviation > 5


def test_a_stranger_is_expected_like_the_population() -> None:
    """Without payments the expectation is the prior's; with many, the sender's own."""
    prior = Prior(mean=7.0, variance=1.0)
    assert Profile().expected(START_S, prior) == (0.0, 7.0, 1.0)
    regular = filled([(START_S + n, 2.0) for n in range(500)])
    _, mean, deviation = regular.expected(START_S + 500, prior)
    assert mean == pytest.approx(2.0, abs=0.02)
    assert deviation < 0.3


def test_old_payments_fade() -> None:
    """After one time constant a payment counts 1/e, in the burst memory as well."""
    profile = filled([(START_S, 3.0)])
    count, _, _ = profile.expected(START_S + MEMORIES_S[2], WIDE)
    assert count == pytest.approx(exp(-1))
    assert profile.burst_count(START_S + BURST_S) == pytest.approx(exp(-1))
    assert profile.rate(START_S) == pytest.approx(1 / MEMORIES_S[0])
    assert profile.rate(START_S + MEMORIES_S[1]) == pytest.approx(exp(-1) / MEMORIES_S[1])


@given(payments)
def test_a_profile_knows_since_when(history: list[tuple[float, float]]) -> None:
    """The time of the first payment is the earliest, whatever the order of arrival."""
    assert filled(history).since_s == min(at_s for at_s, _ in history)


def test_a_late_payment_makes_no_burst() -> None:
    """A payment that comes a day late adds nothing to the burst of now."""
    profile = filled([(START_S + DAY_S, 3.0), (START_S, 3.0)])
    assert profile.burst_count(START_S + DAY_S) == pytest.approx(1.0)


def test_the_population_replaces_the_wide_prior_slowly() -> None:
    """A handful of payments barely moves what strangers are expected to pay; thousands decide it."""
    assert prior_of(None) == prior_of(Profile()) == WIDE
    few = prior_of(filled([(START_S + n, 9.0) for n in range(5)]))
    many = prior_of(filled([(START_S + n, 9.0) for n in range(5_000)]))
    assert few.mean < 5.0
    assert few.variance > 4.0
    assert many.mean == pytest.approx(9.0, abs=0.06)
    assert many.variance < 0.5


def test_sums_of_squares_follow() -> None:
    """The squares are of the same payments: a constant amount leaves no spread within."""
    sums = filled([(START_S, 3.0)] * 4).sums
    assert sums[MONTH + LOG_SQUARED] == pytest.approx(36.0)
    assert sums[MONTH + LOG] == pytest.approx(12.0)
