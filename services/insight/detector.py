"""The detector: a pure function from a payment's features and the scorecard to a risk with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.insight.features import FEATURES, NAMES, PLACE
from services.insight.model import Level, Reason, Risk
from services.insight.reasons import sentence_of
from services.insight.scorecard import BASE, PRIOR_WEIGHTS, logistic, points_of

# The features, their meaning and their order; a stored vector of another version is not comparable.
FEATURES_VERSION: Final = "2"
REASONS_MAX: Final = 8

# The contract's own bounds.
LEVELS_FROM: Final = {Level.MEDIUM: 0.3, Level.HIGH: 0.6, Level.CRITICAL: 0.85}
# Below this score nothing is remarkable enough to be worth a sentence.
TOLD_FROM: Final = 0.03
# Log-odds that a reason adds at least to be told.
TOLD_POINTS_MIN: Final = 0.3
_REASON_OF: Final = tuple(feature.reason for feature in FEATURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """What each feature is worth.

    Attributes:
        weights: log-odds per unit of each feature, in order, then the base.
        verdicts: how many verdicts it was learnt from; 0 is the rules alone.
    """

    weights: tuple[float, ...] = PRIOR_WEIGHTS
    verdicts: int = 0

    @property
    def version(self) -> str:
        """The version to tell with a score."""
        return f"{FEATURES_VERSION}.{self.verdicts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One line of a score's arithmetic: value times weight is points, in log-odds."""

    feature: str
    reason: str
    value: float
    weight: float

    @property
    def points(self) -> float:
        """What it adds to the log-odds."""
        return self.value * self.weight


def rate(vector: Sequence[float], scorecard: Scorecard) -> Risk:
    """Rate a payment by its features; the same arguments always give the same risk."""
    weights = scorecard.weights
    points = points_of(vector, weights)
    score = logistic(points)
    if score < TOLD_FROM:
        return Risk(score=round(score, 4), level=Level.LOW)
    return Risk(
        score=round(score, 4), level=level_of(round(score, 4)), reasons=_reasons(vector, weights, points, score)
    )


def terms_of(vector: Sequence[float], weights: Sequence[float]) -> list[Term]:
    """Return every feature that is not 0 with what it adds, the weightiest first; with the base they are the score."""
    terms = [
        Term(feature=name, reason=reason, value=value, weight=weight)
        for name, reason, value, weight in zip(NAMES, _REASON_OF, vector, weights, strict=False)
        if value
    ]
    return sorted(terms, key=lambda term: (-abs(term.points), term.feature))


def level_of(score: float) -> Level:
    """Return the score in words, by the bounds the contract states."""
    return max((level for level, bound in LEVELS_FROM.items() if score >= bound), default=Level.LOW)


def _reasons(vector: Sequence[float], weights: Sequence[float], points: float, score: float) -> tuple[Reason, ...]:
    base = weights[-1]
    added = points - base
    # Each reason's part of what the score is above the base's, in proportion to its points.
    share = (score - logistic(base)) / added if added else 0.0
    grounds: dict[str, float] = {}
    for reason, value, weight in zip(_REASON_OF, vector, weights, strict=False):
        if value:
            grounds[reason] = grounds.get(reason, 0.0) + value * weight
    told = sorted((-value, reason) for reason, value in grounds.items() if value >= TOLD_POINTS_MIN)
    return tuple(
        Reason(
            code=reason,
            sentence=sentence_of(reason, vector),
            contribution=round(-negative * share, 4),
            evidence=_evidence(reason, vector, -negative),
        )
        for negative, reason in told[:REASONS_MAX]
    )


def _evidence(reason: str, vector: Sequence[float], points: float) -> Mapping[str, str]:
    figures = {name: f"{vector[place]:.3g}" for place, name in _PLACES_OF[reason] if vector[place]}
    return {**figures, "points": f"{points:.2f}"}


_PLACES_OF: Final[Mapping[str, Sequence[tuple[int, str]]]] = {
    reason: tuple((PLACE[feature.name], feature.name) for feature in FEATURES if feature.reason == reason)
    for reason in _REASON_OF
}
RULES: Final = Scorecard()
# What a payment gets of which nothing can be said: no amount, or nothing remarkable.
ORDINARY: Final = Risk(score=round(logistic(BASE), 4), level=Level.LOW)
