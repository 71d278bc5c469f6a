"""The scorecard: log-odds per feature, learnt from labels by a sum that any label can be taken out of again.

A logistic regression with a normal prior round the rules' own weights, fitted by recursive least squares: each
label adds its share of the quadratic approximation of the likelihood, taken at the weights of that moment (one
step of iteratively reweighted least squares, as in the extended Kalman filter; see Fahrmeir and Tutz,
"Multivariate Statistical Modelling Based on Generalized Linear Models", 2001, section 8.3). All that is kept
are the two sums, precision and pull, which decay forward in time like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt
from operator import mul
from struct import Struct as Layout
from typing import Final, Self

from msgspec import Struct

from services.insight.features import FEATURES
from services.insight.memory import DAY_S

SIZE: Final = len(FEATURES) + 1
# Log-odds of a payment about which nothing is remarkable, before any label: a score of 0.011.
BASE: Final = -4.5
_BASE_SPREAD: Final = 3.0
PRIOR_WEIGHTS: Final = (*(feature.weight for feature in FEATURES), BASE)
_PRIOR_PRECISIONS: Final = (*(feature.spread**-2 for feature in FEATURES), _BASE_SPREAD**-2)
_TRIANGLE: Final = SIZE * (SIZE + 1) // 2
_MEMORY_S: Final = 60 * DAY_S
_POINTS_MAX: Final = 30.0
_STEP_MAX: Final = 4.0
_FRAUDS_HALF: Final = 50.0
_PACKED: Final = Layout(f"<{3 + _TRIANGLE + SIZE}d")


class Site(Struct, frozen=True, kw_only=True):
    """What one label added: enough to take it out again.

    Attributes:
        precision: the weight of the vector's outer product.
        pull: the weight of the vector itself.
    """

    precision: float
    pull: float


def logistic(points: float) -> float:
    """Return the probability of log-odds."""
    if points > _POINTS_MAX:
        points = _POINTS_MAX
    elif points < -_POINTS_MAX:
        points = -_POINTS_MAX
    return 1.0 / (1.0 + exp(-points))


def points_of(vector: Sequence[float], weights: Sequence[float]) -> float:
    """Return the log-odds of a vector; the last weight is the base."""
    points: float = sum(map(mul, vector, weights)) + weights[-1]
    return points


class Evidence:
    """What labels have taught, as sums over them."""

    __slots__ = ("frauds", "landmark_s", "latest_s", "precision", "pull")

    def __init__(self) -> None:
        """Begin without a label."""
        self.landmark_s = 0.0
        self.latest_s = 0.0
        self.frauds = 0.0
        self.precision = [0.0] * _TRIANGLE
        self.pull = [0.0] * SIZE

    def add(self, vector: Sequence[float], site: Site, at_s: float, *, fraud: bool, sign: float = 1.0) -> None:
        """Add what a label says of a payment of that time; with sign -1 take it out."""
        age_s = at_s - self.landmark_s
        if age_s >= _MEMORY_S:
            self._rebase(at_s)
            age_s = at_s - self.landmark_s
        self.latest_s = max(self.latest_s, at_s)
        weight = sign * exp(age_s / _MEMORY_S)
        if fraud:
            self.frauds += weight
        places = [(place, value) for place, value in enumerate(vector) if value]
        places.append((SIZE - 1, 1.0))
        precision, pull = self.precision, self.pull
        scale, push = weight * site.precision, weight * site.pull
        for place, value in places:
            pull[place] += push * value
            row, scaled = place * (place + 1) // 2, scale * value
            for column, other in places:
                if column > place:
                    break
                precision[row + column] += scaled * other

    def weights(self) -> tuple[float, ...]:
        """Return the weights that fit prior and labels best: solves by Cholesky's factors, in a few milliseconds."""
        decay = exp(min(self.landmark_s - self.latest_s, 0.0) / _MEMORY_S)
        rows: list[list[float]] = []
        solved: list[float] = []
        for place in range(SIZE):
            start = place * (place + 1) // 2
            row = [decay * value for value in self.precision[start : start + place + 1]]
            row[place] += _PRIOR_PRECISIONS[place]
            for column in range(place):
                above = rows[column]
                row[column] = (row[column] - sum(map(mul, row[:column], above))) / above[column]
            pivot = sqrt(max(row[place] - sum(value * value for value in row[:place]), 1e-9))
            row[place] = pivot
            target = decay * self.pull[place] + _PRIOR_PRECISIONS[place] * PRIOR_WEIGHTS[place]
            solved.append((target - sum(map(mul, row, solved))) / pivot)
            rows.append(row)
        for place in range(SIZE - 1, -1, -1):
            below = sum(rows[later][place] * solved[later] for later in range(place + 1, SIZE))
            solved[place] = (solved[place] - below) / rows[place][place]
        # A handful of frauds says little about twenty weights: the rules give way as they become many.
        trust = decay * self.frauds
        trust /= trust + _FRAUDS_HALF
        return tuple(rule + trust * (learnt - rule) for rule, learnt in zip(PRIOR_WEIGHTS, solved, strict=True))

    def pack(self) -> bytes:
        """Return the sums as they are stored."""
        return _PACKED.pack(self.landmark_s, self.latest_s, self.frauds, *self.precision, *self.pull)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return what was stored."""
        evidence = cls()
        evidence.landmark_s, evidence.latest_s, evidence.frauds, *sums = _PACKED.unpack(packed)
        evidence.precision, evidence.pull = sums[:_TRIANGLE], sums[_TRIANGLE:]
        return evidence

    def _rebase(self, at_s: float) -> None:
        landmark_s = at_s // _MEMORY_S * _MEMORY_S
        decay = exp((self.landmark_s - landmark_s) / _MEMORY_S)
        self.precision = [value * decay for value in self.precision]
        self.pull = [value * decay for value in self.pull]
        self.frauds *= decay
        self.landmark_s = landmark_s


def site_of(vector: Sequence[float], weights: Sequence[float], *, fraud: bool, weight: float) -> Site:
    """Return what a label says, `weight` times, seen from the present weights."""
    points = points_of(vector, weights)
    chance = logistic(points)
    surprise = fraud - chance
    # The slope is exact; the curve is at least so steep that no label asks for more than a few steps of log-odds: where
    # the weights are confidently wrong, the likelihood's own curve is flat, and one label would throw them far off.
    curve = max(chance * (1.0 - chance), abs(surprise) / _STEP_MAX)
    return Site(precision=weight * curve, pull=weight * (curve * points + surprise))
