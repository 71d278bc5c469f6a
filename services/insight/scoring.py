"""Scoring: rate a batch of payments by what is remembered; reads only, never fails for want of a database."""

from __future__ import annotations

from collections.abc import Sequence

from services.insight.cache import ProfileCache
from services.insight.detector import assess
from services.insight.model import Payment, Risk
from services.insight.profile import prior_of


def sender_key(payment: Payment) -> str:
    """Return the key of the paying account's profile; a source is a namespace of accounts."""
    return f"s:{payment.source}:{payment.sender}"


def population_key(source: str) -> str:
    """Return the key of the profile of all payments of a source."""
    return f"p:{source}"


class Scorer:
    """Rates payments."""

    def __init__(self, profiles: ProfileCache) -> None:
        """Read what is remembered from `profiles`."""
        self._profiles = profiles

    async def score(self, payments: Sequence[Payment]) -> list[Risk]:
        """Return a risk for each payment in order; by what is in memory where the store is slow or down."""
        keys = [sender_key(payment) if payment.sender else "" for payment in payments]
        populations = {source: population_key(source) for source in {payment.source for payment in payments}}
        await self._profiles.refresh([*filter(None, keys), *populations.values()])
        get = self._profiles.get
        priors = {source: prior_of(get(key)) for source, key in populations.items()}
        return [assess(payment, get(key), priors[payment.source]) for payment, key in zip(payments, keys, strict=True)]
