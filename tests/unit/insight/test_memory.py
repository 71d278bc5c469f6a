"""Memories: decay, order, winsorising, whom an account has met, verdicts."""

from __future__ import annotations

from math import exp, isfinite, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insight.memory import (
    BURST_S,
    BYTES,
    DAY_S,
    EMPTY,
    MONTH_S,
    WEEK_S,
    WIDE,
    WINSOR_Z,
    Sums,
    expected,
    judge,
    learn,
    mark_of,
    met,
    sums_of,
)

START_S = 1_700_000_000.0
times = st.floats(min_value=START_S, max_value=START_S + 400 * DAY_S)
sizes = st.floats(min_value=-5.0, max_value=40.0)
# Within every limit, so that nothing is pulled in and sums can be checked one by one.
mild = st.floats(min_value=2.0, max_value=3.0)
MEMORIES = {"day": DAY_S, "week": WEEK_S, "month": MONTH_S}


def filled(history: list[tuple[float, float]]) -> bytes:
    """A memory of these payments."""
    memory = EMPTY
    for at_s, size in history:
        memory = learn(memory, at_s, size)
    return memory


def as_of(memory: bytes, at_s: float) -> dict[str, float]:
    """The decaying sums with their weights relative to one time, so that two memories can be compared."""
    sums = sums_of(memory)
    return {
        name: value * exp((sums.landmark_s - at_s) / MEMORIES[ending])
        for name, value in sums._asdict().items()
        if (ending := name.rpartition("_")[2]) in MEMORIES
    }


def expectation(memory: bytes, at_s: float) -> tuple[float, float]:
    """Mean and deviation expected of the next log amount, after a stranger's prior."""
    now = as_of(memory, at_s)
    return expected(now["count_month"], now["log_month"], now["square_month"], WIDE.mean, WIDE.variance)


@given(st.lists(st.tuples(times, mild), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_order_does_not_matter(history: list[tuple[float, float]], random: object) -> None:
    """Payments that arrive in another order leave the same sums, up to rounding."""
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    end_s = START_S + 400 * DAY_S
    assert as_of(filled(shuffled), end_s) == pytest.approx(as_of(filled(history), end_s), rel=1e-9, abs=1e-100)


@given(st.lists(st.tuples(times, mild), min_size=1, max_size=30))
def test_sums_are_what_decay_says(history: list[tuple[float, float]]) -> None:
    """Each sum equals the payments weighed one by one by their age, however often the landmark moved."""
    end_s = max(at_s for at_s, _ in history)
    now = as_of(filled(history), end_s)
    terms = {"count": lambda _: 1.0, "log": lambda size: size, "square": lambda size: size * size, "dollars": exp}
    for name in ("count_day", "count_week", "log_week", "dollars_week", "count_month", "log_month", "square_month"):
        kind, _, memory = name.rpartition("_")
        by_hand = sum(exp((at_s - end_s) / MEMORIES[memory]) * terms[kind](size) for at_s, size in history)
        assert now[name] == pytest.approx(by_hand, rel=1e-9)


@given(st.lists(st.tuples(times, sizes), min_size=1, max_size=30), sizes)
def test_an_outlier_teaches_no_more_than_its_limit(history: list[tuple[float, float]], size: float) -> None:
    """What a payment adds lies within three standard deviations of what was expected before it."""
    memory = filled(history)
    at_s = max(at_s for at_s, _ in history)
    mean, deviation = expectation(memory, at_s)
    before, after = as_of(memory, at_s), as_of(learn(memory, at_s, size), at_s)
    added = after["log_month"] - before["log_month"]
    assert abs(added - mean) <= WINSOR_Z * deviation * (1 + 1e-6) + 1e-6


@given(
    st.lists(st.tuples(st.floats(0, 30 * DAY_S), st.floats(2.0, 4.0)), min_size=20, max_size=40),
    st.floats(min_value=6.0, max_value=43.0),
)
def test_one_outlier_can_not_poison_a_memory(history: list[tuple[float, float]], size: float) -> None:
    """After twenty payments or more, one of whatever amount moves the expected mean by less than 0.8 deviations."""
    memory = filled(sorted((START_S + age_s, amount) for age_s, amount in history))
    at_s = START_S + 31 * DAY_S
    mean, deviation = expectation(memory, at_s)
    poisoned, _ = expectation(learn(memory, at_s, size), at_s)
    assert abs(poisoned - mean) < 0.8 * deviation


def test_one_outlier_does_not_hide_the_next() -> None:
    """After twenty payments of 20 and one of a million, another million still stands far out."""
    memory = filled([(START_S + day * DAY_S, log(20 + day % 5)) for day in range(20)])
    memory = learn(memory, START_S + 20 * DAY_S, log(1_000_000))
    mean, deviation = expectation(memory, START_S + 21 * DAY_S)
    assert (log(1_000_000) - mean) / deviation > 5


@given(st.lists(st.tuples(times, sizes), min_size=1, max_size=30))
def test_expectation_is_always_usable(history: list[tuple[float, float]]) -> None:
    """The expected mean is finite and the deviation positive, whatever was paid."""
    mean, deviation = expectation(filled(history), START_S + 400 * DAY_S)
    assert isfinite(mean)
    assert 0 < deviation < 1e3


def test_a_stranger_is_expected_like_the_prior() -> None:
    """Without payments the expectation is the prior's; with many, the sender's own."""
    assert expected(0.0, 0.0, 0.0, 7.0, 1.0) == (7.0, 1.0)
    mean, deviation = expectation(filled([(START_S + n, 2.0) for n in range(500)]), START_S + 500)
    assert mean == pytest.approx(2.0, abs=0.02)
    assert deviation < 0.3


def test_old_payments_fade() -> None:
    """After one time constant a payment counts 1/e."""
    memory = filled([(START_S, 3.0)])
    for name, memory_s in MEMORIES.items():
        assert as_of(memory, START_S + memory_s)[f"count_{name}"] == pytest.approx(exp(-1))


def test_bursts_fade_within_minutes_and_a_late_payment_makes_none() -> None:
    """The burst counts the last minutes; a payment that comes a day late adds nothing to it."""
    assert sums_of(filled([(START_S, 3.0), (START_S + BURST_S, 3.0)])).burst == pytest.approx(1 + exp(-1))
    assert sums_of(filled([(START_S + DAY_S, 3.0), (START_S, 3.0)])).burst == pytest.approx(1.0)


@given(st.lists(st.tuples(times, sizes), min_size=1, max_size=30))
def test_a_memory_knows_since_when(history: list[tuple[float, float]]) -> None:
    """The time of the first payment is the earliest, whatever the order of arrival."""
    assert sums_of(filled(history)).since_s == min(at_s for at_s, _ in history)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=400))
def test_whom_it_met_lately_it_knows(counterparties: list[int]) -> None:
    """The last thirty counterparties are always known, however many came before them."""
    memory = EMPTY
    for place, spread in enumerate(counterparties):
        memory = learn(memory, START_S + place, 3.0, mark_of(spread))
    assert len(memory) == BYTES
    assert all(met(memory, mark_of(spread)) for spread in counterparties[-30:])


def test_few_strangers_pass_for_known() -> None:
    """After many counterparties at most 15 strangers in 100 look known, and each new one was counted."""
    memory = EMPTY
    for place in range(1_000):
        memory = learn(memory, START_S + place, 3.0, mark_of(place * 2_654_435_761 % 2**32))
    strangers = [mark_of((place * 40_503 + 7) * 2_246_822_519 % 2**32) for place in range(5_000)]
    assert sum(met(memory, mark) for mark in strangers) / 5_000 < 0.15
    assert as_of(memory, START_S + 1_000)["fresh_day"] > 850


def test_amounts_below_a_round_one_are_counted() -> None:
    """Only payments said to be just below a round amount are."""
    memory = learn(learn(EMPTY, START_S, 3.0, near=True), START_S, 3.0)
    assert as_of(memory, START_S)["near_week"] == pytest.approx(1.0)


@given(
    st.lists(st.tuples(times, sizes), min_size=1, max_size=20),
    st.lists(st.tuples(times, st.booleans()), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
)
def test_a_verdict_taken_back_leaves_no_trace(
    history: list[tuple[float, float]], verdicts: list[tuple[float, bool]], random: object
) -> None:
    """Verdicts given and taken back in any order leave the sums of a memory that never had them, up to rounding."""
    memory = filled(history)
    end_s = START_S + 400 * DAY_S
    acts = [(at_s, float(fraud), 1.0) for at_s, fraud in verdicts]
    taken = [(at_s, -fraud, -judged) for at_s, fraud, judged in acts]
    random.shuffle(taken)  # type: ignore[attr-defined]
    judged = memory
    for at_s, fraud, count in [*acts, *taken]:
        judged = judge(judged, at_s, fraud, count)
    assert as_of(judged, end_s) == pytest.approx(as_of(memory, end_s), rel=1e-9, abs=1e-9)


def test_verdicts_count_by_the_payments_own_time() -> None:
    """A verdict weeks late counts as old as its payment is."""
    memory = judge(learn(EMPTY, START_S + MONTH_S, 3.0), START_S, 1.0, 1.0)
    now = as_of(memory, START_S + MONTH_S)
    assert now["fraud_month"] == now["judged_month"] == pytest.approx(exp(-1))


def test_the_layout_is_what_is_stored() -> None:
    """A memory is 280 bytes of nineteen numbers and two sets; stored ones depend on it."""
    assert BYTES == 280
    assert len(Sums._fields) == 21
