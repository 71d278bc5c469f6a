"""Labelled traffic, and what it must come to by hand."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from services.insight.knowledge import teach, tell_verdict
from services.insight.labels import Label, verdict_of
from services.insight.memory import sums_of
from services.insight.model import Payment
from services.insight.profile import Profile
from services.insight.scorecard import Evidence
from services.insight.tuning import Tuning
from services.insight.vectors import unpack
from services.insight.verdicts import Case, Judgement
from tests.insight_teaching import START_MS, keys_of

Statement = tuple[int, str, Label]


def traffic(count: int, *, seed: int = 5) -> list[Payment]:
    """Payments of few accounts, some hours apart; now and then one is far too large."""
    rng = random.Random(seed)
    return [
        Payment(
            source="autopay",
            tx_id=f"T-{number}",
            sender=rng.choice(["A", "B", "C", "D"]),
            receiver=rng.choice(["", "R", "S"]),
            minor_units=rng.randint(1_000, 9_000) * (40 if rng.random() < 0.2 else 1),
            currency="EUR",
            at_ms=START_MS + number * 7_000_000,
        )
        for number in range(count)
    ]


def statements(count: int, payments: int, *, seed: int) -> list[Statement]:
    """Labels of random payments by three sources, taken back and changed at random."""
    rng = random.Random(seed)
    sources = ("analyst", "bank", "dispute:autopay")
    return [(rng.randrange(payments), rng.choice(sources), rng.choice(list(Label))) for _ in range(count)]


def final(said: Sequence[Statement]) -> dict[int, bool]:
    """Which payments count as fraud or as legitimate in the end."""
    labels: dict[int, dict[str, Label]] = {}
    for number, source, label in said:
        labels.setdefault(number, {})[source] = label
    verdicts = {number: verdict_of(each) for number, each in labels.items()}
    return {number: verdict for number, verdict in verdicts.items() if verdict is not None}


def judged_by_hand(payments: Sequence[Payment], frauds: Mapping[int, bool]) -> dict[str, tuple[bytes, bytes]]:
    """The memories after each payment was learnt once and then each verdict was told once."""
    profiles: dict[str, Profile] = {}
    ordinal = 2**60
    for payment in payments:
        ordinal += 1
        sender, receiver, population = (
            profiles.setdefault(key, Profile.of(key)) if key else None for key in keys_of(payment)
        )
        teach(payment, sender, receiver, population, ordinal)
    for number, fraud in frauds.items():
        ordinal += 1
        sender, receiver, population = (profiles[key] if key else None for key in keys_of(payments[number]))
        tell_verdict(payments[number].at_ms / 1000, sender, receiver, population, ordinal, float(fraud), 1.0)
    return {key: (profile.sends, profile.receives) for key, profile in profiles.items()}


def standing(cases: Mapping[str, Case]) -> Evidence:
    """The evidence of the verdicts that stand, by what each of them says it added."""
    evidence = Evidence()
    for case in cases.values():
        vector = unpack(case.vector)
        if case.verdict is not None and case.verdict.after is not None and case.verdict.after.site is not None:
            assert vector is not None
            evidence.add(vector, case.verdict.after.site, case.at_ms / 1000, fraud=case.verdict.after.fraud)
    return evidence


def assert_same_memories(found: Mapping[str, tuple[bytes, bytes]], expected: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Equal to the last bit but for what verdicts added and took back, which rounds differently in another order."""
    assert found.keys() == expected.keys()
    for key, sides in expected.items():
        for side, other in zip(sides, found[key], strict=True):
            numbers, others = sums_of(side), sums_of(other)
            assert others[:15] == numbers[:15], key
            assert others[19:] == numbers[19:], key
            assert others[15:19] == pytest.approx(numbers[15:19], rel=1e-9, abs=1e-9), key


def assert_same_evidence(judgement: Judgement, expected: Evidence) -> None:
    """The saved evidence is what the standing verdicts add up to, as of the same landmark, and so are its weights."""
    found = Evidence.unpack(judgement.evidence)
    assert found.frauds == pytest.approx(expected.frauds, abs=1e-9)
    assert found.precision == pytest.approx(expected.precision, rel=1e-9, abs=1e-9)
    assert found.pull == pytest.approx(expected.pull, rel=1e-9, abs=1e-9)
    assert Tuning(judgement).judgement().weights
