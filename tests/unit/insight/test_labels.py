"""Labels: which of several counts, and what disputes say."""

from __future__ import annotations

import itertools

import pytest
from autopay.insight.v1 import insight_pb2
from autopay.type.v1 import payment_pb2

from services.insight.labels import Label, Turn, label_of_dispute, reasons_of, verdict_of

FRAUD, LEGITIMATE, UNSURE = Label.FRAUD, Label.LEGITIMATE, Label.UNSURE
OPENED, WON, LOST = Turn.OPENED, Turn.WON, Turn.LOST
REASONS = frozenset({int(payment_pb2.DISPUTE_REASON_FRAUD)})
BY_FRAUD, BY_OTHER = int(payment_pb2.DISPUTE_REASON_FRAUD), int(payment_pb2.DISPUTE_REASON_NOT_RECEIVED)


@pytest.mark.parametrize(
    ("labels", "verdict"),
    [
        ({}, None),
        ({"analyst": UNSURE}, None),
        ({"analyst": FRAUD}, True),
        ({"analyst": LEGITIMATE}, False),
        ({"analyst": LEGITIMATE, "bank": FRAUD}, True),
        ({"dispute:shop": FRAUD}, True),
        ({"dispute:shop": FRAUD, "analyst": LEGITIMATE}, False),
        ({"dispute:shop": FRAUD, "analyst": UNSURE}, True),
        ({"dispute:shop": UNSURE, "analyst": UNSURE}, None),
    ],
)
def test_which_label_counts(labels: dict[str, Label], verdict: bool | None) -> None:
    """People before disputes, fraud before legitimate, and unsure says nothing; in whatever order they came."""
    for order in itertools.permutations(labels.items()):
        assert verdict_of(dict(order)) is verdict


@pytest.mark.parametrize(
    ("events", "disputed", "label"),
    [
        ([(OPENED, BY_FRAUD)], True, FRAUD),
        ([(OPENED, BY_OTHER)], True, None),
        ([(OPENED, 0)], True, None),
        # It came after the event that ended it.
        ([(OPENED, BY_FRAUD)], False, None),
        ([(LOST, BY_FRAUD)], True, FRAUD),
        ([(LOST, 0)], True, None),
        ([(WON, BY_FRAUD)], False, UNSURE),
        ([(WON, 0)], False, UNSURE),
        # One of two disputes is won, the other is open.
        ([(WON, BY_FRAUD)], True, None),
        ([(WON, BY_OTHER), (OPENED, BY_FRAUD)], True, FRAUD),
        ([(payment_pb2.EVENT_KIND_CAPTURED, BY_FRAUD)], True, None),
        ([], True, None),
    ],
)
def test_what_a_dispute_says(events: list[tuple[int, int]], disputed: bool, label: Label | None) -> None:
    """Only a dispute over fraud labels, a lost one keeps its label, one that is over takes it back."""
    assert label_of_dispute(events, disputed=disputed, fraud_reasons=REASONS) is label


def test_reasons_are_named_as_the_contract_names_them() -> None:
    """A setting's words have the contract's numbers, each of them, and another word is refused by name."""
    for name, number in payment_pb2.DisputeReason.items():
        if number:
            assert reasons_of(name.removeprefix("DISPUTE_REASON_").lower()) == {number}
    assert reasons_of(" fraud, unrecognized ,") == {1, 2}
    assert reasons_of("") == frozenset()
    with pytest.raises(ValueError, match="'theft' is none of fraud, "):
        reasons_of("theft")


def test_the_numbers_are_the_contract_s() -> None:
    """Labels and turns travel as numbers."""
    assert {f"LABEL_{label.name}": label.value for label in Label} == {
        name: number for name, number in insight_pb2.Label.items() if number
    }
    for turn in Turn:
        assert payment_pb2.EventKind.Value(f"EVENT_KIND_DISPUTE_{turn.name}") == turn
