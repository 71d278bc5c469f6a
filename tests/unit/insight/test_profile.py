"""Profiles: what is stored, and what a source leads to expect."""

from __future__ import annotations

import pytest

from services.insight.memory import EMPTY, WIDE, learn
from services.insight.profile import Profile, prior_of
from tests.insight_teaching import a_payment, taught


def a_source(payments: int, size: float) -> Profile:
    """The profile of a source's payments, one a second."""
    source = Profile.of("p:autopay")
    for second in range(payments):
        source.sends = learn(source.sends, 1_700_000_000.0 + second, size)
    return source


def test_a_stored_profile_is_the_same_profile() -> None:
    """A profile made from its stored state is equal, marks included."""
    profile = a_source(7, 3.0)
    profile.sequence, profile.judged = 5, 3
    again = Profile.of("p:autopay", profile.state())
    assert again.state() == profile.state()
    assert again.mark == profile.mark


def test_an_account_is_sender_and_receiver() -> None:
    """Both sides of one account are remembered apart; a payment from an account to itself counts on both."""
    memories = taught([a_payment(sender="A", receiver="B"), a_payment(sender="B", receiver="A")])
    assert all(EMPTY not in memories[f"a:autopay:{account}"] for account in "AB")
    alone = taught([a_payment(sender="A", receiver="A")])
    assert EMPTY not in alone["a:autopay:A"]


def test_the_population_replaces_the_wide_prior_slowly() -> None:
    """A handful of payments barely moves what strangers are expected to pay; thousands decide it."""
    assert prior_of(None) == prior_of(Profile()) == WIDE
    few, many = prior_of(a_source(5, 9.0)), prior_of(a_source(5_000, 9.0))
    assert few.mean < 5.0
    assert few.variance > 4.0
    assert many.mean == pytest.approx(9.0, abs=0.06)
    assert many.variance < 0.5
    assert many.dollars == pytest.approx(8103, rel=0.05)
    assert many.payments == pytest.approx(5_000, rel=0.01)
