"""Scoring: rate a batch of payments by what is remembered; reads only, never fails for want of a database."""

from __future__ import annotations

from collections.abc import Sequence

from services.insight.cache import ProfileCache
from services.insight.detector import ORDINARY, RULES, Scorecard, rate
from services.insight.knowledge import look
from services.insight.model import Payment, Risk
from services.insight.profile import prior_of


def account_key(source: str, account: str) -> str:
    """Return the key of an account's profile; a source is a namespace of accounts."""
    return f"a:{source}:{account}"


def population_key(source: str) -> str:
    """Return the key of the profile of all payments of a source."""
    return f"p:{source}"


class Scorer:
    """Rates payments."""

    def __init__(self, profiles: ProfileCache, scorecard: Scorecard = RULES) -> None:
        """Read what is remembered from `profiles`."""
        self._profiles = profiles
        self.scorecard = scorecard

    async def score(self, payments: Sequence[Payment]) -> list[Risk]:
        """Return a risk for each payment in order; by what is in memory where the store is slow or down."""
        keys = [
            (
                f"a:{source}:{sender}" if sender else "",
                f"a:{source}:{receiver}" if receiver else "",
            )
            for source, _, sender, receiver, _, _, _ in payments
        ]
        populations = {source: population_key(source) for source in {payment.source for payment in payments}}
        wanted = {key for pair in keys for key in pair if key}
        wanted.update(populations.values())
        await self._profiles.refresh(wanted)
        get, scorecard = self._profiles.get, self.scorecard
        priors = {source: prior_of(get(key)) for source, key in populations.items()}
        return [
            rate(look(payment, get(sender), get(receiver), priors[payment.source]), scorecard)
            if payment.minor_units > 0
            else ORDINARY
            for payment, (sender, receiver) in zip(payments, keys, strict=True)
        ]
