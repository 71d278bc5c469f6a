"""What Square's bodies mean."""

from __future__ import annotations

import pytest

from providers.contract import Basis, Event, Kind, Options
from providers.square import PROVIDER
from tests.unit.providers.mapping import folded, only_event, wrong_fields
from tests.unit.providers.square_bodies import PAYMENT, URL, dispute, payment, refund


def test_a_completed_payment_states_what_was_taken() -> None:
    """Every field comes from the signed body; the total includes tips."""
    assert only_event(PROVIDER.configured(Options(url=URL)), payment("COMPLETED", 3, note="Table <b>7</b>")) == Event(
        tx_id=PAYMENT,
        kind=Kind.CAPTURED,
        event_id="0000000003:pay-3",
        amount_minor=1_100,
        currency="USD",
        exponent=2,
        basis=Basis.CUMULATIVE,
        sender_account="NQBWMQ4RVX5R9BP7",
        receiver_account="6SSW7HV8K2ST5",
        event_time_ms=1_795_382_214_198,
        event_time_signed=True,
        description="Table 7",
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("PENDING", Kind.PENDING),
        ("APPROVED", Kind.AUTHORIZED),
        ("CANCELED", Kind.CANCELED),
        ("FAILED", Kind.FAILED),
    ],
)
def test_a_payments_status_decides(status: str, kind: Kind) -> None:
    """What a payment's event means is told by the payment's status, created or updated."""
    for event in ("payment.created", "payment.updated"):
        assert only_event(PROVIDER, payment(status, 1, event=event)).kind is kind


def test_only_what_was_approved_is_authorized() -> None:
    """Where less was approved than asked for, that is what is reserved."""
    assert (
        only_event(PROVIDER, payment("APPROVED", 1, approved_money={"amount": 7, "currency": "USD"})).amount_minor == 7
    )
    assert only_event(PROVIDER, payment("APPROVED", 1, approved_money=None)).amount_minor == 1_100


def test_the_version_orders_states_of_one_moment() -> None:
    """Of two states with the same time, the one with the higher version is the later."""
    at = "2026-11-22T21:17:00.000Z"
    bodies = [payment("COMPLETED", version, updated_at=at, note=f"note {version}") for version in (9, 10, 2)]
    assert folded(PROVIDER, bodies).description == "note 10"
    assert folded(PROVIDER, bodies[::-1]).description == "note 10"


def test_an_opaque_version_changes_nothing() -> None:
    """A version that is a token, or absent, leaves the event's own id."""
    assert only_event(PROVIDER, payment("COMPLETED", 3, version="vguW2km0KpVC")).event_id == "pay-3"
    assert only_event(PROVIDER, payment("COMPLETED", 3, version=10**12)).event_id == "pay-3"


def test_a_payment_of_nothing_means_nothing() -> None:
    """A total of zero moves no money and is no mistake either."""
    assert not PROVIDER.map(payment("COMPLETED", 3, total_money={"amount": 0, "currency": "USD"}), {})


@pytest.mark.parametrize(
    ("status", "kind"),
    [("COMPLETED", Kind.REFUNDED), ("REJECTED", Kind.REFUND_FAILED), ("FAILED", Kind.REFUND_FAILED), ("PENDING", None)],
)
def test_a_refunds_status_decides(status: str, kind: Kind | None) -> None:
    """A refund counts when it is completed, by its own id and amount."""
    events = PROVIDER.map(refund("refund-A", 200, status), {})
    assert [event.kind for event in events] == ([] if kind is None else [kind])
    assert all((event.tx_id, event.object_id) == (PAYMENT, "refund-A") for event in events)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("INQUIRY_PROCESSING", None),
        ("INQUIRY_CLOSED", None),
        ("EVIDENCE_REQUIRED", Kind.DISPUTE_OPENED),
        ("WON", Kind.DISPUTE_WON),
        ("LOST", Kind.DISPUTE_LOST),
        ("ACCEPTED", Kind.DISPUTE_LOST),
    ],
)
def test_a_disputes_state_decides(state: str, kind: Kind | None) -> None:
    """An inquiry withholds nothing; a dispute does until it is won."""
    assert [event.kind for event in PROVIDER.map(dispute(state), {})] == ([] if kind is None else [kind])


def test_every_wrong_field_is_named() -> None:
    """Wrong id, amount and currency are told at once."""
    body = payment("COMPLETED", 3, id="", total_money={"amount": 1.5, "currency": "usdollar"})
    place = "data.object.payment"
    assert wrong_fields(PROVIDER, body) == {
        f"{place}.id",
        f"{place}.total_money.amount",
        f"{place}.total_money.currency",
    }
