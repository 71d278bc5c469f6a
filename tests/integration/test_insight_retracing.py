"""A score retraced by the features that MongoDB keeps of a payment."""

from __future__ import annotations

import time

import pytest
import structlog

from services.insight.adapters.mongo import connect, database_of
from services.insight.adapters.mongo_profiles import MongoProfiles
from services.insight.adapters.mongo_scores import MongoScores
from services.insight.cache import CacheLimits, ProfileCache
from services.insight.detector import RULES, terms_of
from services.insight.explanation import Subject
from services.insight.keeping import VectorKeeper
from services.insight.knowledge import look
from services.insight.profile import Profile, prior_of
from services.insight.retracing import Basis, Retraced, Retracer
from tests.insight_teaching import DAY_MS, START_MS, a_payment, taught_profiles

PAYMENT = a_payment(99_900, at_ms=START_MS + 31 * DAY_MS)


async def test_a_learnt_payment_is_retraced_by_what_was_known_before_it(mongo_url: str) -> None:
    """Its features as they were kept, in single precision; one that isn't learnt yet is looked at as of now."""
    client = connect(mongo_url, pool_min=0, pool_max=2)
    database = database_of(client, mongo_url)
    states = taught_profiles(a_payment(at_ms=START_MS + day * DAY_MS) for day in range(30))
    sender, receiver, population = (Profile.of(key, states[key]) for key in ("a:autopay:A", "a:autopay:R", "p:autopay"))
    vector = look(PAYMENT, sender, receiver, prior_of(population))
    scores = MongoScores(database, days=120)
    keeper = VectorKeeper(scores, kept=True)
    keeper.see(PAYMENT, sender, receiver, population, 2**61)
    await keeper.save()
    cache = ProfileCache(MongoProfiles(database), CacheLimits(), clock=time.monotonic, log=structlog.get_logger())
    retracer = Retracer(cache, scores, scorecard=lambda: RULES)

    async def retraced(tx_id: str) -> Retraced:
        subject = Subject(source="autopay", tx_id=tx_id, minor_units=99_900, currency="USD", exponent=2, sender="A")
        found = await retracer.retrace(subject)
        assert found is not None
        return found

    stored, present = await retraced(PAYMENT.tx_id), await retraced("T-new")
    await cache.close()
    client.close()
    assert (stored.basis, present.basis) == (Basis.STORED, Basis.PRESENT)
    expected = terms_of(vector, RULES.weights)
    assert len(expected) > 3
    assert [term.feature for term in stored.terms] == [term.feature for term in expected]
    assert [term.value for term in stored.terms] == pytest.approx([term.value for term in expected], rel=1e-6)
    assert "no_history" in {term.feature for term in present.terms}
