"""The detector: a pure function from what is remembered and one payment to a risk with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, sqrt
from typing import Final

from services.insight.magnitude import log_amount
from services.insight.model import Level, Payment, Reason, Risk
from services.insight.profile import BURST_S, Prior, Profile

MODEL_VERSION: Final = "1"
REASONS_MAX: Final = 8

# Log-odds of a payment about which nothing is remarkable: a score of 0.018.
_ORDINARY_POINTS: Final = -4.0
# Fewer remembered payments than this are no history.
_HISTORY_MIN: Final = 0.5
_NO_HISTORY_POINTS: Final = 0.7

_Z_MIN: Final = 3.0
_POINTS_PER_Z: Final = 1.2
_AMOUNT_POINTS_MIN: Final = 0.8
_AMOUNT_POINTS_MAX: Final = 6.5
# Without history an amount is only unusual for the source, which many honest payments are.
_STRANGER_POINTS_MAX: Final = 2.5

# A handful of payments in ten minutes is a person shopping, whatever the rate before.
_BURST_MIN: Final = 8.0
_EXCESS_MIN: Final = 4.0
_POINTS_PER_EXCESS: Final = 0.5
_VELOCITY_POINTS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule found: points are log-odds added to the score."""

    code: str
    points: float
    sentence: str
    evidence: Mapping[str, str] = field(default_factory=dict)


def assess(payment: Payment, sender: Profile | None, prior: Prior) -> Risk:
    """Rate one payment; the same arguments always give the same risk.

    Args:
        payment: the payment, learnt from or not.
        sender: what is remembered of the paying account (an empty profile where there is nothing), None where
            the account or its history isn't known now.
        prior: what the payment's source usually sees.
    """
    if payment.minor_units <= 0:
        return ORDINARY
    at_s = payment.at_ms / 1000.0
    size = log_amount(payment.minor_units, payment.currency)
    findings: list[Finding] = []
    if sender is None:
        z = (size - prior.mean) / sqrt(prior.variance)
        if z >= _Z_MIN:
            findings.append(_amount(z, size - prior.mean, 0.0))
        return combine(findings) if findings else ORDINARY
    known, mean, deviation = sender.expected(at_s, prior)
    z = (size - mean) / deviation
    if z >= _Z_MIN:
        findings.append(_amount(z, size - mean, known))
    recent = sender.burst_count(at_s) + 1.0
    if recent >= _BURST_MIN:
        velocity = _velocity(recent, max(sender.rate(at_s) * BURST_S, prior.usual_burst))
        if velocity is not None:
            findings.append(velocity)
    if known < _HISTORY_MIN:
        if not findings:
            return STRANGER
        findings.append(_NO_HISTORY)
    return combine(findings) if findings else ORDINARY


def combine(findings: Sequence[Finding]) -> Risk:
    """Add the findings' points up to one score, and share the score among them by their points."""
    points = sum(finding.points for finding in findings)
    score = _logistic(_ORDINARY_POINTS + points)
    share = (score - _logistic(_ORDINARY_POINTS)) / points if points else 0.0
    ranked = sorted(findings, key=lambda finding: (-abs(finding.points), finding.code))
    reasons = tuple(
        Reason(
            code=finding.code,
            sentence=finding.sentence,
            contribution=round(finding.points * share, 4),
            evidence=finding.evidence,
        )
        for finding in ranked[:REASONS_MAX]
    )
    score = round(score, 4)
    return Risk(score=score, level=level_of(score), reasons=reasons)


def level_of(score: float) -> Level:
    """Return the score in words, by the bounds the contract states."""
    if score < 0.3:  # noqa: PLR2004 - the contract's own numbers, here and below
        return Level.LOW
    if score < 0.6:  # noqa: PLR2004
        return Level.MEDIUM
    return Level.HIGH if score < 0.85 else Level.CRITICAL  # noqa: PLR2004


def _amount(z: float, log_ratio: float, known: float) -> Finding:
    limit = _AMOUNT_POINTS_MAX if known >= _HISTORY_MIN else _STRANGER_POINTS_MAX
    # The first few payments of a sender say little about the next one.
    trust = 0.4 + 0.6 * known / (known + 4.0)
    points = min(_AMOUNT_POINTS_MIN + (z - _Z_MIN) * _POINTS_PER_Z, limit) * trust
    times = exp(min(log_ratio, 50.0))
    whom = "this sender usually pays" if known >= _HISTORY_MIN else "is usual here, and the sender's history is unknown"
    return Finding(
        code="AMOUNT_ABOVE_HISTORY",
        points=points,
        sentence=f"The amount is about {times:,.0f} times what {whom}.",
        evidence={"z": f"{z:.1f}", "times_usual": f"{times:.1f}", "payments_remembered": f"{known:.1f}"},
    )


def _velocity(recent: float, usual: float) -> Finding | None:
    # Small counts scatter by the square root of their mean, large ones by half of it, for people have busy hours; one
    # more keeps a rate of nothing from dividing by zero.
    excess = (recent - usual) / sqrt(1.0 + usual + usual * usual / 4.0)
    if excess < _EXCESS_MIN:
        return None
    return Finding(
        code="VELOCITY",
        points=min((excess - _EXCESS_MIN) * _POINTS_PER_EXCESS, _VELOCITY_POINTS_MAX),
        sentence=f"The sender made about {recent:.0f} payments in ten minutes, where {usual:.1f} are usual.",
        evidence={"recent": f"{recent:.1f}", "usual": f"{usual:.2f}", "excess": f"{excess:.1f}"},
    )


def _logistic(points: float) -> float:
    return 1.0 / (1.0 + exp(-points))


_NO_HISTORY: Final = Finding(
    code="NO_HISTORY",
    points=_NO_HISTORY_POINTS,
    sentence="Nothing is known of this sender's earlier payments.",
)
# The two answers that most payments get, made once.
ORDINARY: Final = combine(())
STRANGER: Final = combine((_NO_HISTORY,))
