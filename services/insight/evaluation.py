"""How good scores are: area under the ROC curve, average precision, precision among the first k of each day."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One scored payment whose label is known.

    Attributes:
        at_ms: when.
        sender: who paid.
        score: what it got.
        fraud: what it was.
    """

    at_ms: int
    sender: str
    score: float
    fraud: bool


def auc_roc(judged: Sequence[Judged]) -> float:
    """Return the chance that a fraud scores above a legitimate payment, ties by half; not a number without both."""
    frauds = sum(each.fraud for each in judged)
    legitimate = len(judged) - frauds
    if not frauds or not legitimate:
        return float("nan")
    below, area = 0, 0.0
    for _, group in groupby(sorted(judged, key=lambda each: each.score), key=lambda each: each.score):
        tied = list(group)
        frauds_tied = sum(each.fraud for each in tied)
        area += frauds_tied * (below + (len(tied) - frauds_tied) / 2)
        below += len(tied) - frauds_tied
    return area / (frauds * legitimate)


def average_precision(judged: Sequence[Judged]) -> float:
    """Return the mean over all frauds of the precision at their score; not a number without fraud."""
    frauds = sum(each.fraud for each in judged)
    if not frauds:
        return float("nan")
    seen = hits = 0
    total = 0.0
    for _, group in groupby(sorted(judged, key=lambda each: -each.score), key=lambda each: each.score):
        tied = list(group)
        frauds_tied = sum(each.fraud for each in tied)
        seen, hits = seen + len(tied), hits + frauds_tied
        total += frauds_tied * hits / seen
    return total / frauds


def precision_at(judged: Iterable[Judged], k: int, *, by_sender: bool) -> float:
    """Return the share of fraud among the k highest scores of a day, on average over the days.

    Args:
        judged: scored payments.
        k: how many are looked at in a day.
        by_sender: look at senders, each by its highest score of the day, and no more at one found fraudulent on an
            earlier day: "card precision" of the Fraud Detection Handbook (Le Borgne and others, 2022, chapter 4).
    """
    precisions: list[float] = []
    found: set[str] = set()
    days = groupby(sorted(judged, key=lambda each: each.at_ms), key=lambda each: each.at_ms // _DAY_MS)
    for _, day in days:
        today = list(day)
        if by_sender:
            highest: dict[str, float] = {}
            frauds: set[str] = set()
            for each in today:
                if each.sender not in found:
                    highest[each.sender] = max(each.score, highest.get(each.sender, 0.0))
                    if each.fraud:
                        frauds.add(each.sender)
            first = sorted(highest, key=lambda sender: -highest[sender])[:k]
            caught = frauds.intersection(first)
            found |= caught
            precisions.append(len(caught) / k)
        else:
            first_payments = sorted(today, key=lambda each: -each.score)[:k]
            precisions.append(sum(each.fraud for each in first_payments) / k)
    return sum(precisions) / len(precisions) if precisions else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Payments whose scores are from `low` to below the next band's.

    Attributes:
        low: where it begins.
        payments: how many there are.
        score: their mean score: the share of fraud that was foretold.
        fraud: the share of fraud that there was.
    """

    low: float
    payments: int
    score: float
    fraud: float


# As finely as people act on scores: reasons are told from 0.03 on, levels begin at 0.3, 0.6 and 0.85.
_BANDS_FROM = (0.0, 0.03, 0.1, 0.3, 0.6, 0.85)


def reliability(judged: Iterable[Judged]) -> list[Band]:
    """Return what was foretold beside what came, band by band; empty bands are left out."""
    bands: list[list[Judged]] = [[] for _ in _BANDS_FROM]
    for each in judged:
        bands[bisect_right(_BANDS_FROM, each.score) - 1].append(each)
    return [
        Band(
            low=low,
            payments=len(members),
            score=sum(each.score for each in members) / len(members),
            fraud=sum(each.fraud for each in members) / len(members),
        )
        for low, members in zip(_BANDS_FROM, bands, strict=True)
        if members
    ]


def calibration_error(bands: Sequence[Band]) -> float:
    """Return the expected calibration error: how far foretold and actual shares are apart, on average over payments."""
    payments = sum(band.payments for band in bands)
    if not payments:
        return float("nan")
    return sum(band.payments * abs(band.score - band.fraud) for band in bands) / payments


def without_known(judged: Sequence[Judged], *, delay_ms: int, known_from_ms: int) -> list[Judged]:
    """Leave out senders of whom a fraud was known by its label when the payment's day began."""
    first: dict[str, int] = {}
    for each in judged:
        if each.fraud and each.at_ms >= known_from_ms:
            first[each.sender] = min(each.at_ms, first.get(each.sender, each.at_ms))
    return [
        each
        for each in judged
        if each.sender not in first or each.at_ms // _DAY_MS * _DAY_MS - delay_ms <= first[each.sender]
    ]
