"""Retraces a score: which features a payment has, and how they and the weights add up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from services.insight.cache import ProfileCache
from services.insight.detector import Scorecard, Term, terms_of
from services.insight.explanation import Subject
from services.insight.knowledge import look
from services.insight.model import Payment
from services.insight.ports import StoreDown
from services.insight.profile import prior_of
from services.insight.scorecard import logistic, points_of
from services.insight.scoring import account_key, population_key

# Somebody waits in front of a screen, and the explanation is worth having without the arithmetic.
_BUDGET_S: Final = 1.0


class Basis(IntEnum):
    """Of when the features are; numbers of autopay.insight.v1.ArithmeticBasis."""

    STORED = 1
    PRESENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraced:
    """A score line by line.

    Attributes:
        basis: of when the features are.
        scorecard: the weights.
        terms: every feature that is not 0, the weightiest first.
        points: their sum and the base, in log-odds.
        score: what follows, 0 to 1.
    """

    basis: Basis
    scorecard: Scorecard
    terms: Sequence[Term]
    points: float
    score: float


class Vectors(Protocol):
    """The features that payments were learnt with."""

    async def vector(self, source: str, tx_id: str) -> Sequence[float] | None:
        """Return a payment's, None where none is kept or it is of another version.

        Raises:
            StoreDown: it can't be read now.
        """


class Retracer:
    """Retraces scores; changes nothing."""

    def __init__(self, profiles: ProfileCache, vectors: Vectors, *, scorecard: Callable[[], Scorecard]) -> None:
        """Take features from `vectors`, else find them by `profiles`; weigh them by the present `scorecard`."""
        self._profiles = profiles
        self._vectors = vectors
        self._scorecard = scorecard

    async def retrace(self, subject: Subject) -> Retraced | None:
        """Return how a payment's score comes about, None without an amount, or where the store doesn't answer now."""
        if subject.minor_units is None or subject.minor_units <= 0:
            return None
        try:
            async with asyncio.timeout(_BUDGET_S):
                stored = await self._vectors.vector(subject.source, subject.tx_id)
        except (TimeoutError, StoreDown):
            return None
        if stored is not None:
            return _retraced(stored, self._scorecard(), Basis.STORED)
        present = await self._look(subject, subject.minor_units)
        return None if present is None else _retraced(present, self._scorecard(), Basis.PRESENT)

    async def _look(self, subject: Subject, minor_units: int) -> Sequence[float] | None:
        """Return the features by what is known now, None where that can't be read."""
        source, sender, receiver = subject.source, subject.sender, subject.receiver
        payment = Payment(
            source, subject.tx_id, sender, receiver, minor_units, subject.currency, subject.recorded_at_ms
        )
        sender_key = account_key(source, sender) if sender else ""
        receiver_key = account_key(source, receiver) if receiver else ""
        wanted = [key for key in (sender_key, receiver_key, population_key(source)) if key]
        await self._profiles.refresh(wanted, within_s=_BUDGET_S)
        get = self._profiles.get
        if any(get(key) is None for key in wanted):
            return None
        return look(payment, get(sender_key), get(receiver_key), prior_of(get(population_key(source))))


def _retraced(vector: Sequence[float], scorecard: Scorecard, basis: Basis) -> Retraced:
    points = points_of(vector, scorecard.weights)
    return Retraced(
        basis=basis,
        scorecard=scorecard,
        terms=terms_of(vector, scorecard.weights),
        points=points,
        score=logistic(points),
    )
