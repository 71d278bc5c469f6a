"""Explains a payment by its risk's own reasons: without a network, always the same, never failing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.insight.explanation import ACTIONS, TEXT_MAX, Explanation, Outcome, Subject, decimal
from services.insight.model import Level, Reason

SOURCE: Final = "rules"

_ACTION: Final = {
    Level.LOW: "none",
    Level.MEDIUM: "review",
    Level.HIGH: "contact_payer",
    Level.CRITICAL: "hold_for_review",
}
# The first part of a reason's code that is found here decides the category.
_CATEGORY_BY_PART: Final = {
    "AMOUNT": "unusual_amount",
    "STRUCTURING": "unusual_amount",
    "VELOCITY": "unusual_velocity",
    "BURST": "unusual_velocity",
    "FAN": "unusual_velocity",
    "RECEIVER": "new_counterparty",
    "HISTORY": "new_counterparty",
    "STRANGER": "new_counterparty",
}


class RulesExplainer:
    """The offline twin of `GeminiExplainer`."""

    async def explain(self, subjects: Sequence[Subject]) -> Sequence[Outcome]:
        """Explain each payment."""
        return [explain(subject) for subject in subjects]


def explain(subject: Subject) -> Explanation:
    """Return the explanation that a payment's risk amounts to."""
    risk = subject.risk
    if risk is None:
        return Explanation(
            source=SOURCE,
            summary=f"{_what(subject)} was recorded without a risk score.",
            category="ordinary",
            anomaly_assessment="Nothing was assessed: the score was late or insight was down when it was recorded.",
            recommended_action="none",
            confidence=0.0,
        )
    sentences = " ".join(reason.sentence for reason in risk.reasons)
    return Explanation(
        source=SOURCE,
        summary=f"{_what(subject)} scored {risk.score:.2f}, which is {risk.level.name.lower()} risk."[:TEXT_MAX],
        category=category_of(subject),
        anomaly_assessment=(sentences or "Nothing about it is remarkable.")[:TEXT_MAX],
        recommended_action=action_of(subject),
        confidence=round(max(risk.score, 1 - risk.score), 4),
    )


def action_of(subject: Subject) -> str:
    """Return the mildest action that a payment's level allows."""
    return _ACTION[subject.level] if subject.risk is not None else "none"


def category_of(subject: Subject) -> str:
    """Return the category that a payment's level and weightiest reason stand for."""
    if subject.level is Level.CRITICAL:
        return "possible_fraud"
    if subject.level is Level.LOW or subject.risk is None:
        return "ordinary"
    return next((found for reason in subject.risk.reasons if (found := _category(reason))), "possible_fraud")


def temper(explanation: Explanation, subject: Subject) -> Explanation:
    """Return an explanation that is no milder than the rules: a model may raise an alarm, never clear one."""
    floor = action_of(subject)
    action = max(explanation.recommended_action, floor, key=ACTIONS.index)
    calm = explanation.category == "ordinary" and subject.level >= Level.HIGH
    return Explanation(
        source=explanation.source,
        summary=explanation.summary,
        category=category_of(subject) if calm else explanation.category,
        anomaly_assessment=explanation.anomaly_assessment,
        recommended_action=action,
        confidence=explanation.confidence,
        model_version=explanation.model_version,
    )


def _what(subject: Subject) -> str:
    if subject.minor_units is None:
        return "A payment of unknown amount"
    return f"A payment of {decimal(subject.minor_units, subject.exponent)} {subject.currency}"


def _category(reason: Reason) -> str:
    return next((category for part, category in _CATEGORY_BY_PART.items() if part in reason.code), "")
