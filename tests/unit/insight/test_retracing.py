"""A score retraced: the terms add up to what was scored, and what can't be had is left out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import structlog

from services.insight.cache import CacheLimits, ProfileCache
from services.insight.detector import RULES, Scorecard
from services.insight.explanation import Subject
from services.insight.features import NAMES
from services.insight.ports import StoreDown
from services.insight.retracing import Basis, Retracer
from services.insight.scorecard import logistic
from services.insight.scoring import Scorer
from tests.fakes.insight_memory import Disk, MemoryProfiles
from tests.fakes.insight_scores import MemoryScores
from tests.insight_teaching import DAY_MS, START_MS, a_payment, taught_profiles

PAYMENT = a_payment(99_900, at_ms=START_MS + 31 * DAY_MS)
SUBJECT = Subject(
    source="autopay",
    tx_id=PAYMENT.tx_id,
    minor_units=PAYMENT.minor_units,
    currency="USD",
    exponent=2,
    sender="A",
    receiver="R",
    recorded_at_ms=PAYMENT.at_ms,
)
HELD = Scorecard(weights=tuple(weight * 0.9 for weight in RULES.weights), verdicts=12)


class Kept:
    """Features kept for one payment, or a store that is down."""

    def __init__(self, vector: Sequence[float] | None) -> None:
        """Keep them; None is down."""
        self._vector = vector

    async def vector(self, source: str, tx_id: str) -> Sequence[float] | None:
        """Return them for the payment that has them."""
        if self._vector is None:
            raise StoreDown("the store is down")
        return self._vector if (source, tx_id) == (SUBJECT.source, SUBJECT.tx_id) else None


@pytest.fixture
def disk() -> Disk:
    """A store that knows a month of the sender's payments."""
    disk = Disk()
    disk.profiles.update(taught_profiles(a_payment(at_ms=START_MS + day * DAY_MS) for day in range(30)))
    return disk


@pytest.fixture
async def cache(disk: Disk) -> AsyncIterator[ProfileCache]:
    """A cache over the store."""
    limits = CacheLimits(load_s_max=1.0)
    cache = ProfileCache(MemoryProfiles(disk), limits, clock=time.monotonic, log=structlog.get_logger())
    yield cache
    await cache.close()


async def test_a_payment_that_is_not_learnt_yet_retraces_to_what_it_was_scored(cache: ProfileCache) -> None:
    """Its terms and the base add up to the score it got, by the weights of now."""
    scorer = Scorer(cache, HELD)
    (risk,) = await scorer.score([PAYMENT])
    retraced = await Retracer(cache, MemoryScores(Disk()), scorecard=lambda: scorer.scorecard).retrace(SUBJECT)
    assert retraced is not None
    assert (retraced.basis, retraced.scorecard) == (Basis.PRESENT, HELD)
    assert retraced.points == pytest.approx(HELD.weights[-1] + sum(term.points for term in retraced.terms))
    assert round(retraced.score, 4) == risk.score
    assert retraced.score == logistic(retraced.points) > 0.3
    assert {term.reason for term in retraced.terms} >= {reason.code for reason in risk.reasons}


async def test_kept_features_come_first(cache: ProfileCache) -> None:
    """What a payment was learnt with is shown, whatever has become of its accounts."""
    vector = [0.0] * len(NAMES)
    vector[NAMES.index("burst")] = 4.0
    retraced = await Retracer(cache, Kept(vector), scorecard=lambda: RULES).retrace(SUBJECT)
    assert retraced is not None
    assert (retraced.basis, [(term.feature, term.points) for term in retraced.terms]) == (
        Basis.STORED,
        [("burst", 2.0)],
    )
    other = await Retracer(cache, Kept(vector), scorecard=lambda: RULES).retrace(replace(SUBJECT, tx_id="T-2"))
    assert other is not None
    assert other.basis is Basis.PRESENT


async def test_an_account_nobody_knows_is_retraced_too(cache: ProfileCache) -> None:
    """A payment without a receiver, from a sender never seen: no history, and that is all."""
    stranger = replace(SUBJECT, sender="NOBODY", receiver="", minor_units=2_000)
    retraced = await Retracer(cache, MemoryScores(Disk()), scorecard=lambda: RULES).retrace(stranger)
    assert retraced is not None
    assert "no_history" in {term.feature for term in retraced.terms}


@pytest.mark.parametrize("minor_units", [None, 0])
async def test_without_an_amount_there_is_none(cache: ProfileCache, minor_units: int | None) -> None:
    """The detector looks at amounts."""
    retracer = Retracer(cache, MemoryScores(Disk()), scorecard=lambda: RULES)
    assert await retracer.retrace(replace(SUBJECT, minor_units=minor_units)) is None


async def test_a_store_that_is_down_costs_the_arithmetic_only(cache: ProfileCache, disk: Disk) -> None:
    """Neither kept features nor profiles: None, instead of a line that says nothing is known of the sender."""
    assert await Retracer(cache, Kept(None), scorecard=lambda: RULES).retrace(SUBJECT) is None
    disk.down = True
    assert await Retracer(cache, MemoryScores(Disk()), scorecard=lambda: RULES).retrace(SUBJECT) is None
