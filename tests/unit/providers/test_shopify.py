"""What Shopify's bodies mean: their content alone tells it."""

from __future__ import annotations

import pytest

from providers.contract import Basis, Event, Kind, Options
from providers.shopify import PROVIDER
from tests.unit.providers.mapping import folded, only_event, wrong_fields
from tests.unit.providers.shopify_bodies import ORDER, dispute, fields_of, refund, transaction
from tests.unit.providers.written import written


def test_a_capture_states_its_own_amount() -> None:
    """The payment is the order, the object the transaction; units of the currency become minor units."""
    assert only_event(PROVIDER, transaction(389_404_470, "capture", "150.05")) == Event(
        tx_id=str(ORDER),
        kind=Kind.CAPTURED,
        event_id="389404470:captured",
        object_id="389404470",
        amount_minor=15_005,
        currency="USD",
        exponent=2,
        basis=Basis.CUMULATIVE,
        event_time_ms=1_770_303_000_000,
        event_time_signed=True,
    )


def test_the_topic_decides_nothing() -> None:
    """A capture sent under the topic of a refund, with any webhook id, stays the capture that was signed."""
    body = transaction(1, "capture", "10.00")
    hints = {"x-shopify-topic": b"refunds/create", "x-shopify-webhook-id": b"b54557e4", "x-shopify-test": b"true"}
    assert PROVIDER.map(body, hints) == PROVIDER.map(body, {})


def test_one_refund_in_two_bodies_is_one_event() -> None:
    """The transaction of a refund is the same event, whether it comes by itself or inside its refund."""
    inside = PROVIDER.map(refund(929_361_462, fields_of(7, "refund", "49.50")), {})
    assert inside == PROVIDER.map(transaction(7, "refund", "49.50"), {})
    assert [(event.kind, event.amount_minor) for event in inside] == [(Kind.REFUNDED, 4_950)]


@pytest.mark.parametrize(
    ("kind", "status", "kinds"),
    [
        ("authorization", "pending", [Kind.PENDING]),
        ("authorization", "error", [Kind.FAILED]),
        ("sale", "success", [Kind.AUTHORIZED, Kind.CAPTURED]),
        ("sale", "failure", [Kind.FAILED]),
        ("capture", "failure", [Kind.CAPTURE_FAILED]),
        ("capture", "pending", []),
        ("void", "success", [Kind.CANCELED]),
        ("void", "failure", []),
        ("refund", "pending", []),
        ("refund", "error", [Kind.REFUND_FAILED]),
        ("change", "success", []),
    ],
)
def test_kind_and_status_decide(kind: str, status: str, kinds: list[Kind]) -> None:
    """A transaction means what its own kind and status say, and nothing where it moves nothing yet."""
    assert [event.kind for event in PROVIDER.map(transaction(1, kind, "5.00", status=status), {})] == kinds


def test_two_cards_of_one_order_are_no_double_capture() -> None:
    """A gift card's sale beside a card's authorisation and capture adds up without a flag."""
    payment = folded(
        PROVIDER,
        [
            transaction(1, "sale", "20.00"),
            transaction(2, "authorization", "80.00"),
            transaction(3, "capture", "80.00"),
        ],
    )
    assert (payment.totals.captured, payment.flags) == (10_000, ())


def test_a_transaction_of_nothing_means_nothing() -> None:
    """A free order's sale of 0.00 moves no money."""
    assert not PROVIDER.map(transaction(1, "sale", "0.00"), {})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("needs_response", Kind.DISPUTE_OPENED),
        ("won", Kind.DISPUTE_WON),
        ("charge_refunded", Kind.DISPUTE_WON),
        ("lost", Kind.DISPUTE_LOST),
        ("accepted", Kind.DISPUTE_LOST),
    ],
)
def test_chargebacks_open_and_end(status: str, kind: Kind) -> None:
    """A chargeback's status decides; an inquiry withholds nothing and means nothing."""
    assert only_event(PROVIDER, dispute(status)).kind is kind
    assert not PROVIDER.map(dispute(status, kind="inquiry"), {})


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ORDER, "financial_status": "paid", "total_price": "10.00", "currency": "USD"},
        {"id": 1, "title": "A product"},
        {},
    ],
)
def test_other_bodies_mean_nothing(fields: dict[str, object]) -> None:
    """An order, a product or anything else is no transaction."""
    assert not PROVIDER.map(written(fields), {})


def test_every_wrong_field_is_named() -> None:
    """Wrong fields of each transaction of a refund are told at once."""
    first, second = fields_of(1, "refund", "1.999"), {**fields_of(2, "refund", "1.00"), "currency": "XXX", "id": "a"}
    assert wrong_fields(PROVIDER, refund(9, first, second)) == {
        "transactions.0.amount",
        "transactions.1.currency",
        "transactions.1.id",
    }
    assert wrong_fields(PROVIDER, refund(9, *[fields_of(n + 1, "refund", "1.00") for n in range(51)])) == {
        "transactions"
    }


def test_a_test_transaction_is_not_taken_for_a_live_one() -> None:
    """A source that expects live payments refuses a transaction that says test."""
    live = PROVIDER.configured(Options(live=True))
    assert wrong_fields(live, transaction(1, "sale", "5.00", test=True)) == {"test"}
    assert live.map(transaction(1, "sale", "5.00"), {})
