"""How good scores are, against counting by hand."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insight.evaluation import (
    Judged,
    auc_roc,
    average_precision,
    calibration_error,
    precision_at,
    reliability,
    without_known,
)

DAY_MS = 86_400_000


def judged(*pairs: tuple[float, bool], day: int = 0, sender: str = "") -> list[Judged]:
    """Scored payments of one day, each of its own sender."""
    return [
        Judged(at_ms=day * DAY_MS + place, sender=sender or f"{day}-{place}", score=score, fraud=fraud)
        for place, (score, fraud) in enumerate(pairs)
    ]


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), max_size=40))
def test_the_area_is_the_chance_of_a_right_pair(pairs: list[tuple[float, bool]]) -> None:
    """The area equals counting every pair of a fraud and a legitimate payment, ties by half."""
    frauds = [score for score, fraud in pairs if fraud]
    others = [score for score, fraud in pairs if not fraud]
    if not frauds or not others:
        assert isnan(auc_roc(judged(*pairs)))
        return
    right = sum((one > other) + (one == other) / 2 for one in frauds for other in others)
    assert auc_roc(judged(*pairs)) == pytest.approx(right / len(frauds) / len(others))


def test_average_precision_by_hand() -> None:
    """Frauds at the first and third place: a half of 1 and of 2/3; a tie shares its precision."""
    assert average_precision(judged((0.9, True), (0.8, False), (0.7, True), (0.1, False))) == pytest.approx(5 / 6)
    assert average_precision(judged((0.5, True), (0.5, False))) == pytest.approx(0.5)
    assert isnan(average_precision(judged((0.5, False))))


def test_precision_of_a_day_s_first() -> None:
    """The mean over the days of the share of fraud among the k highest scores."""
    both = [*judged((0.9, True), (0.8, False), (0.1, True)), *judged((0.9, False), (0.8, False), day=1)]
    assert precision_at(both, 2, by_sender=False) == pytest.approx(0.25)


def test_a_sender_is_looked_at_once() -> None:
    """By sender, several payments count once, and who was found on one day is not looked at on the next."""
    payments = [
        *judged((0.9, True), (0.8, True), sender="A"),
        *judged((0.7, False), sender="B"),
        *judged((0.9, True), sender="A", day=1),
        *judged((0.5, True), sender="C", day=1),
    ]
    assert precision_at(payments, 1, by_sender=True) == pytest.approx(1.0)
    assert precision_at(payments, 2, by_sender=True) == pytest.approx((0.5 + 0.5) / 2)


def test_who_is_known_is_left_out() -> None:
    """A sender whose fraud was labelled before the day began is left out from then on, if it isn't too far back."""
    payments = [*judged((0.9, True), sender="A"), *judged((0.1, False), sender="A", day=7)]
    assert len(without_known(payments, delay_ms=7 * DAY_MS, known_from_ms=0)) == 2
    later = judged((0.1, False), sender="A", day=8)
    assert without_known([*payments, *later], delay_ms=7 * DAY_MS, known_from_ms=0) == payments
    assert len(without_known([*payments, *later], delay_ms=7 * DAY_MS, known_from_ms=DAY_MS)) == 3


def test_scores_that_are_right_have_no_calibration_error() -> None:
    """Where a quarter of the payments scored 0.25 is fraud, foretold and actual shares agree, band by band."""
    right = judged(*[(0.25, True)] * 5, *[(0.25, False)] * 15, *[(0.0, False)] * 30)
    bands = reliability(right)
    assert [(band.low, band.payments, band.score, band.fraud) for band in bands] == [
        (0.0, 30, 0.0, 0.0),
        (0.1, 20, 0.25, 0.25),
    ]
    assert calibration_error(bands) == pytest.approx(0.0)


def test_scores_that_promise_too_much_are_told() -> None:
    """Half of the payments foretold at 0.9 and 0.6, none of them fraud: off by 0.375 on average."""
    bands = reliability(judged((0.9, False), (0.6, False), (0.0, False), (0.0, False)))
    assert [band.low for band in bands] == [0.0, 0.6, 0.85]
    assert calibration_error(bands) == pytest.approx((0.9 + 0.6) / 4)
    assert isnan(calibration_error([]))
