"""The detector: scores, levels, reasons, and arithmetic that adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insight.detector import ORDINARY, REASONS_MAX, RULES, Scorecard, level_of, rate, terms_of
from services.insight.features import FEATURES, NAMES, PLACE
from services.insight.model import Level
from services.insight.scorecard import SIZE, logistic

vectors = st.lists(st.floats(-5, 16), min_size=len(FEATURES), max_size=len(FEATURES))
weights = st.lists(st.floats(-8, 8), min_size=SIZE, max_size=SIZE)


def vector_of(**values: float) -> list[float]:
    """A vector of some features."""
    vector = [0.0] * len(FEATURES)
    for name, value in values.items():
        vector[PLACE[name]] = value
    return vector


@given(vectors, weights)
def test_every_risk_is_in_bounds_and_repeatable(vector: list[float], weights: list[float]) -> None:
    """Whatever the features and weights, the score is within 0 and 1, fits its level, and comes out the same again."""
    card = Scorecard(weights=tuple(weights))
    risk = rate(vector, card)
    assert 0.0 <= risk.score <= 1.0
    assert risk.level is level_of(risk.score)
    assert len(risk.reasons) <= REASONS_MAX
    assert risk == rate(vector, card)
    shares = [reason.contribution for reason in risk.reasons]
    assert shares == sorted(shares, reverse=True)


@given(vectors, weights)
def test_the_terms_add_up_to_the_score(vector: list[float], weights: list[float]) -> None:
    """Base and terms, each its value times its weight, are the log-odds of the score."""
    terms = terms_of(vector, weights)
    points = weights[-1] + sum(term.points for term in terms)
    assert rate(vector, Scorecard(weights=tuple(weights))).score == pytest.approx(logistic(points), abs=1e-4)
    assert all(term.points == term.value * term.weight for term in terms)


def test_reasons_share_what_is_above_the_base() -> None:
    """With nothing but reasons that are told, their contributions and the base's score add up."""
    vector = vector_of(amount_z=6.0, times_sender_2_4=1.0, burst=8.0, fan_in=5.0)
    risk = rate(vector, RULES)
    assert [reason.code for reason in risk.reasons] == ["VELOCITY", "AMOUNT_ABOVE_HISTORY", "FAN_IN"]
    assert ORDINARY.score + sum(reason.contribution for reason in risk.reasons) == pytest.approx(risk.score, abs=1e-3)


def test_nothing_remarkable_is_low_without_a_reason() -> None:
    """A payment without features gets the base's score."""
    assert rate(vector_of(), RULES) == ORDINARY
    assert ORDINARY.level is Level.LOW


def test_a_stranger_is_mild() -> None:
    """Without history alone the score stays low; even a huge amount stays below critical."""
    assert rate(vector_of(no_history=1.0), RULES).level is Level.LOW
    huge = vector_of(no_history=1.0, amount_z=10.0)
    risk = rate(huge, RULES)
    assert risk.level < Level.HIGH
    assert [reason.code for reason in risk.reasons] == ["AMOUNT_ABOVE_HISTORY", "NO_HISTORY"]
    assert "unknown" in risk.reasons[0].sentence


def test_the_version_says_how_many_verdicts_taught_it() -> None:
    """Rules alone are version 2.0; learnt ones say from how much."""
    assert RULES.version == "2.0"
    assert Scorecard(verdicts=17).version == "2.17"


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_every_reason_can_be_told(feature: object) -> None:
    """Each feature's reason has a sentence with a full stop, an evidence with its figure, and names nobody."""
    name, code = feature.name, feature.reason  # type: ignore[attr-defined]
    weights = [0.0] * SIZE
    weights[PLACE[name]] = 5.0
    risk = rate(vector_of(**{name: 1.5}), Scorecard(weights=tuple(weights)))
    (reason,) = risk.reasons
    assert reason.code == code
    assert reason.sentence.endswith(".")
    assert reason.evidence[name] == "1.5"
    assert reason.evidence["points"] == "7.50"


def test_ratios_are_read_back_from_their_steps() -> None:
    """The sentence says about how many times the usual amount it is."""
    card = Scorecard(weights=tuple([2.0] * (SIZE - 1) + [0.0]))
    three = vector_of(times_sender_1_2=1.0, times_sender_2_4=0.5)
    assert "about 3.0 times what this sender" in rate(three, card).reasons[0].sentence
    more = vector_of(times_source_1_2=1.0, times_source_2_4=1.0, times_source_4_8=1.0, times_source_8_16=1.0)
    assert "more than 16 times what is usual here" in rate(more, card).reasons[0].sentence


def test_levels_begin_where_the_contract_says() -> None:
    """The bounds 0.3, 0.6 and 0.85 belong to the level above."""
    assert [level_of(score) for score in (0.0, 0.2999, 0.3, 0.5999, 0.6, 0.8499, 0.85, 1.0)] == [
        Level.LOW,
        Level.LOW,
        Level.MEDIUM,
        Level.MEDIUM,
        Level.HIGH,
        Level.HIGH,
        Level.CRITICAL,
        Level.CRITICAL,
    ]
