"""What Razorpay's bodies mean."""

from __future__ import annotations

import pytest

from providers.contract import Basis, Event, Kind
from providers.razorpay import PROVIDER
from tests.unit.providers.mapping import only_event, wrong_fields
from tests.unit.providers.razorpay_bodies import PAYMENT, dispute, payment, refund
from tests.unit.providers.written import written


def test_a_capture_states_the_whole_payment() -> None:
    """Every field of a capture comes from the signed entity and envelope."""
    assert only_event(PROVIDER, payment("payment.captured", customer_id="cust_1Aa00000000004")) == Event(
        tx_id=PAYMENT,
        kind=Kind.CAPTURED,
        event_id=f"{PAYMENT}:payment.captured",
        amount_minor=50_000,
        currency="INR",
        exponent=2,
        basis=Basis.CUMULATIVE,
        sender_account="cust_1Aa00000000004",
        receiver_account="acc_BFQ7uQEaa7j2z7",
        event_time_ms=1_567_674_606_000,
        event_time_signed=True,
        description="Tickets",
    )


@pytest.mark.parametrize(("code", "exponent"), [("JPY", 0), ("KWD", 3), ("USD", 2)])
def test_subunits_are_those_of_the_currency(code: str, exponent: int) -> None:
    """The amount is in the currency's own smallest unit, whether that has decimals or none."""
    event = only_event(PROVIDER, payment("payment.captured", amount=295_990, currency=code))
    assert (event.amount_minor, event.currency, event.exponent) == (295_990, code, exponent)


def test_a_refund_counts_by_its_own_amount() -> None:
    """The payment's running total beside a refund is left alone, and being created and processed is one refund."""
    events = [
        only_event(PROVIDER, refund(event, "rfnd_1", 10_000, refunded=19_000))
        for event in ("refund.created", "refund.processed")
    ]
    assert {(event.kind, event.object_id, event.amount_minor) for event in events} == {
        (Kind.REFUNDED, "rfnd_1", 10_000)
    }
    assert len({event.event_id for event in events}) == 1


def test_a_pending_refund_means_nothing_yet() -> None:
    """What is only created, or changes its speed, gives nothing back."""
    assert not PROVIDER.map(refund("refund.created", "rfnd_1", 1, refunded=0, status="pending"), {})
    assert not PROVIDER.map(refund("refund.speed_changed", "rfnd_1", 1, refunded=0), {})


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("payment.dispute.created", Kind.DISPUTE_OPENED),
        ("payment.dispute.won", Kind.DISPUTE_WON),
        ("payment.dispute.closed", Kind.DISPUTE_WON),
        ("payment.dispute.lost", Kind.DISPUTE_LOST),
    ],
)
def test_disputes_open_and_end(event: str, kind: Kind) -> None:
    """A dispute's events carry its own id; one that ends without loss needs no amount."""
    mapped = only_event(PROVIDER, dispute(event))
    assert (mapped.kind, mapped.object_id) == (kind, "disp_EsIAlDcoUr8CaQ")
    assert mapped.amount_minor == (None if kind is Kind.DISPUTE_WON else 30_000)


@pytest.mark.parametrize("event", ["payment.dispute.under_review", "settlement.processed", "invoice.paid", "", "é"])
def test_other_events_mean_nothing(event: str) -> None:
    """An event that changes no payment maps to none."""
    assert not PROVIDER.map(payment(event), {})


def test_every_wrong_field_is_named() -> None:
    """Wrong amount, currency and id are told at once."""
    body = payment("payment.captured", id=None, amount="500", currency="XXX")
    entity = "payload.payment.entity"
    assert wrong_fields(PROVIDER, body) == {f"{entity}.id", f"{entity}.amount", f"{entity}.currency"}
    assert wrong_fields(PROVIDER, written({"event": "refund.processed"})) >= {"payload.refund.entity.id"}


def test_the_header_id_identifies_nothing() -> None:
    """Razorpay's event id is unsigned: with any of them the same body is the same event."""
    for body in (payment("payment.captured"), dispute("payment.dispute.won")):
        assert PROVIDER.map(body, {"x-razorpay-event-id": b"evt_other"}) == PROVIDER.map(body, {})
