"""The rules' explanation, and what a model may not talk down."""

from __future__ import annotations

import pytest

from services.insight.explanation import ACTIONS, CATEGORIES, Explanation
from services.insight.model import Level
from services.insight.rules_explainer import explain, temper
from tests.gemini_rig import subject


@pytest.mark.parametrize(
    ("level", "codes", "category", "action"),
    [
        (Level.LOW, (), "ordinary", "none"),
        (Level.MEDIUM, ("AMOUNT_ABOVE_HISTORY",), "unusual_amount", "review"),
        (Level.MEDIUM, ("VELOCITY", "NO_HISTORY"), "unusual_velocity", "review"),
        (Level.HIGH, ("NEW_RECEIVER",), "new_counterparty", "contact_payer"),
        (Level.HIGH, ("SOMETHING_LATER",), "possible_fraud", "contact_payer"),
        (Level.CRITICAL, ("VELOCITY",), "possible_fraud", "hold_for_review"),
    ],
)
def test_the_rules_explain_by_level_and_reason(
    level: Level, codes: tuple[str, ...], category: str, action: str
) -> None:
    """Level and weightiest reason decide the words; the shape is the model's."""
    explanation = explain(subject(1, level=level, codes=codes))
    assert (explanation.source, explanation.category, explanation.recommended_action) == ("rules", category, action)
    assert explanation.category in CATEGORIES
    assert explanation.recommended_action in ACTIONS
    assert "42.50 EUR" in explanation.summary
    assert 0.5 <= explanation.confidence <= 1


def test_an_unscored_payment_is_explained_as_that() -> None:
    """Without a score nothing is claimed."""
    explanation = explain(subject(1, risk=None, minor_units=None))
    assert (explanation.category, explanation.confidence) == ("ordinary", 0.0)
    assert "without a risk score" in explanation.summary


def said(category: str, action: str) -> Explanation:
    """A model's explanation."""
    return Explanation(
        source="gemini",
        summary="s",
        category=category,
        anomaly_assessment="a",
        recommended_action=action,
        confidence=1.0,
        model_version="m",
    )


def test_a_model_cannot_clear_what_the_rules_hold() -> None:
    """The rules' action is the least, and "ordinary" doesn't stand for high risk."""
    tempered = temper(said("ordinary", "none"), subject(1, level=Level.CRITICAL))
    assert (tempered.category, tempered.recommended_action) == ("possible_fraud", "hold_for_review")


def test_a_model_may_raise_an_alarm() -> None:
    """A graver action than the rules' stays."""
    tempered = temper(said("possible_fraud", "hold_for_review"), subject(1, level=Level.LOW))
    assert (tempered.category, tempered.recommended_action) == ("possible_fraud", "hold_for_review")
