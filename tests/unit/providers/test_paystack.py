"""What Paystack's bodies mean."""

from __future__ import annotations

import pytest

from providers.contract import Basis, Event, Kind, Options
from providers.paystack import PROVIDER
from tests.unit.providers.mapping import only_event, wrong_fields
from tests.unit.providers.paystack_bodies import REFERENCE, charge, dispute, refund


def test_a_charge_states_the_whole_payment() -> None:
    """Every field of a charge comes from its signed data."""
    assert only_event(PROVIDER, charge()) == Event(
        tx_id=REFERENCE,
        kind=Kind.CAPTURED,
        event_id=f"{REFERENCE}:charge.success",
        amount_minor=10_000,
        currency="NGN",
        exponent=2,
        basis=Basis.CUMULATIVE,
        sender_account="CUS_qo38as2hpsgk2r0",
        event_time_ms=1_790_802_619_000,
        event_time_signed=True,
    )


def test_amounts_are_hundredths_of_any_currency() -> None:
    """The CFA franc has no cents, but Paystack counts it in hundredths: 1,000 francs are 100000."""
    event = only_event(PROVIDER, charge(amount=100_000, currency="XOF"))
    assert (event.amount_minor, event.exponent) == (1_000, 0)
    assert wrong_fields(PROVIDER, charge(amount=100_050, currency="XOF")) == {"data.amount"}


@pytest.mark.parametrize("amount", [10.5, "1.00", 0, -1, None, "", "10 000", True, 2**63])
def test_other_amounts_are_wrong(amount: object) -> None:
    """An amount is a whole number above zero, as a number or as text."""
    assert wrong_fields(PROVIDER, charge(amount=amount)) == {"data.amount"}


def test_references_become_ids_one_to_one() -> None:
    """A reference may hold `=`, which an id may not: it becomes `:`, which no reference holds."""
    assert only_event(PROVIDER, charge(reference="a=b.c-d")).tx_id == "a:b.c-d"
    assert wrong_fields(PROVIDER, charge(reference="a/b=")) == {"data.reference"}


def test_refunds_are_told_apart_by_their_reference() -> None:
    """Two refunds of one size are two; the amount comes as text."""
    first, second = (only_event(PROVIDER, refund("refund.processed", number, "2000")) for number in ("1", "2"))
    assert (first.kind, first.amount_minor, first.tx_id) == (Kind.REFUNDED, 2_000, REFERENCE)
    assert first.event_id != second.event_id
    assert first.object_id != second.object_id


def test_a_refund_without_any_id_is_for_a_person() -> None:
    """What can't be told from another refund is not counted; a numeric id is as good as a reference."""
    assert wrong_fields(PROVIDER, refund("refund.processed", None, "2000")) == {"data.id"}
    assert only_event(PROVIDER, refund("refund.processed", None, "2000", id=77)).object_id == "77"


@pytest.mark.parametrize("event", ["refund.pending", "refund.processing", "transfer.success", "subscription.create"])
def test_other_events_mean_nothing(event: str) -> None:
    """What has given nothing back yet, and what is no payment, maps to none."""
    assert not PROVIDER.map(refund(event, None, "2000"), {})


@pytest.mark.parametrize(
    ("resolution", "kind"),
    [
        ("declined", Kind.DISPUTE_WON),
        ("merchant-accepted", Kind.DISPUTE_LOST),
        ("auto-accepted", Kind.DISPUTE_LOST),
    ],
)
def test_a_resolution_decides_a_dispute(resolution: str, kind: Kind) -> None:
    """A claim that was declined is won, one that was accepted is lost."""
    assert only_event(PROVIDER, dispute("charge.dispute.resolve", resolution=resolution)).kind is kind


def test_a_dispute_without_an_amount_is_about_all_of_it() -> None:
    """Until an amount to give back is stated, the charge's whole amount is disputed."""
    assert only_event(PROVIDER, dispute("charge.dispute.create", amount=None)).amount_minor == 10_000
    assert only_event(PROVIDER, dispute("charge.dispute.create", amount=0)).amount_minor == 10_000
    assert only_event(PROVIDER, dispute("charge.dispute.create")).amount_minor == 5_000


def test_a_test_charge_is_not_taken_for_a_live_one() -> None:
    """A source that expects live payments refuses those of the test domain, and the other way round."""
    assert wrong_fields(PROVIDER.configured(Options(live=True)), charge(domain="test")) == {"data.domain"}
    assert wrong_fields(PROVIDER.configured(Options(live=False)), charge()) == {"data.domain"}
    assert PROVIDER.configured(Options(live=True)).map(charge(), {})
