"""What Mollie's bodies mean."""

from __future__ import annotations

import pytest

from providers.contract import Basis, Event, Kind, Options
from providers.mollie import PROVIDER
from tests.unit.providers.mapping import only_event, wrong_fields
from tests.unit.providers.mollie_bodies import PAYMENT, capture, chargeback, payment, refund, wrapped
from tests.unit.providers.written import written


def test_a_paid_payment_states_what_was_taken() -> None:
    """Every field comes from the signed entity, whether an event wraps it or it comes alone."""
    expected = Event(
        tx_id=PAYMENT,
        kind=Kind.CAPTURED,
        event_id=f"{PAYMENT}:paid:10000",
        amount_minor=10_000,
        currency="EUR",
        exponent=2,
        basis=Basis.CUMULATIVE,
        sender_account="cst_8wmqcHMN4U",
        receiver_account="pfl_QkEhN94Ba",
        event_time_ms=1_774_087_200_000,
        event_time_signed=True,
        description="Order #12345",
    )
    assert only_event(PROVIDER, payment("paid")) == expected
    assert only_event(PROVIDER, wrapped(payment("paid"), "payment.paid")) == expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("open", Kind.PENDING),
        ("pending", Kind.PENDING),
        ("authorized", Kind.AUTHORIZED),
        ("failed", Kind.FAILED),
        ("canceled", Kind.CANCELED),
        ("expired", Kind.CANCELED),
    ],
)
def test_a_payments_status_decides(status: str, kind: Kind) -> None:
    """What the entity's status says happened, not what the event is called."""
    assert only_event(PROVIDER, wrapped(payment(status), "payment.paid")).kind is kind


@pytest.mark.parametrize(("value", "currency", "minor"), [("1000", "JPY", 1_000), ("1.005", "KWD", 1_005)])
def test_units_become_minor_units(value: str, currency: str, minor: int) -> None:
    """Amounts are decimal text in units of the currency."""
    body = payment("paid", amount={"value": value, "currency": currency})
    assert only_event(PROVIDER, body).amount_minor == minor


def test_captures_and_their_running_total_do_not_add_up() -> None:
    """Each capture is a part of the payment's total; only a failed one is an object of its own."""
    event = only_event(PROVIDER, capture("cpt_1", "35.95"))
    assert (event.kind, event.basis, event.object_id, event.amount_minor) == (Kind.CAPTURED, Basis.DELTA, "", 3_595)
    failed = only_event(PROVIDER, capture("cpt_2", "35.95", "failed"))
    assert (failed.kind, failed.object_id, failed.amount_minor) == (Kind.CAPTURE_FAILED, "cpt_2", None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("refunded", Kind.REFUNDED),
        ("failed", Kind.REFUND_FAILED),
        ("canceled", Kind.REFUND_FAILED),
        ("queued", None),
        ("pending", None),
        ("processing", None),
    ],
)
def test_a_refunds_status_decides(status: str, kind: Kind | None) -> None:
    """A refund counts once it is refunded."""
    assert [each.kind for each in PROVIDER.map(refund("re_1", "10.00", status), {})] == ([] if kind is None else [kind])


def test_a_chargeback_is_won_when_reversed() -> None:
    """A chargeback withholds its amount until it is reversed."""
    assert only_event(PROVIDER, chargeback("5.00")).kind is Kind.DISPUTE_OPENED
    assert only_event(PROVIDER, chargeback("5.00", reversed_at="2026-05-01T10:00:00+00:00")).kind is Kind.DISPUTE_WON


@pytest.mark.parametrize(
    "body",
    [
        b"id=tr_5B8cwPMGnU6qLbRvo7qEZo",
        written({"resource": "event", "type": "payment.paid", "entityId": PAYMENT}),
        written({"resource": "payment-link", "id": "pl_1"}),
        payment("paid", amount={"value": "0.00", "currency": "EUR"}),
        written({}),
    ],
)
def test_what_says_nothing_of_money_means_nothing(body: bytes) -> None:
    """An id to fetch, an event without its entity, another entity or a payment of nothing map to no events."""
    assert not PROVIDER.map(body, {})


def test_every_wrong_field_is_named() -> None:
    """Wrong fields are named by their path, inside the event too."""
    bad = payment("paid", id="tr 1", amount={"value": "1.999", "currency": "EUR"})
    assert wrong_fields(PROVIDER, bad) == {"id", "amount.value"}
    assert wrong_fields(PROVIDER, wrapped(bad, "payment.paid")) == {
        "_embedded.entity.id",
        "_embedded.entity.amount.value",
    }


def test_a_test_payment_is_not_taken_for_a_live_one() -> None:
    """A source that expects live payments refuses those of test mode."""
    live = PROVIDER.configured(Options(live=True))
    assert wrong_fields(live, payment("paid", mode="test")) == {"mode"}
    assert live.map(payment("paid"), {})
