"""Requests of the client, made from plain arguments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2, risk_pb2
from autopay_client import event, item, money, requests, words
from autopay_client.stating import milliseconds
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("wanted", "selector", "left"),
    [
        ({}, None, {}),
        ({"source": "orders"}, "source", {}),
        ({"status": "success", "source": "orders"}, "status", {"source": "orders"}),
        ({"account": "alice", "role": "sender", "status": "success"}, "account", {"status": 5}),
        ({"analysis_state": "parked", "risk_level": "high"}, "analysis_state", {"risk_level": 3}),
        ({"risk_level": "high", "status": "success"}, "risk_level", {"status": 5}),
        ({"currency": "EUR"}, "currency", {}),
        (
            {"currency": "EUR", "amount_min": "10", "amount_max": 20, "status": "failed"},
            "currency",
            {"currency": "EUR", "amount_min": 1_000, "amount_max": 2_000, "status": 2},
        ),
    ],
)
def test_one_condition_selects_and_the_others_filter(
    wanted: Any, selector: str | None, left: dict[str, object]
) -> None:
    """The caller says what it wants; which index answers is the client's business."""
    request = requests.transactions(**wanted)
    assert request.selector.WhichOneof("by") == selector
    assert {field.name: value for field, value in request.filter.ListFields()} == left


def test_an_account_s_side_is_asked_for() -> None:
    """`role` is the side of the payment the account is on."""
    selector = requests.transactions(account="alice", role="receiver").selector
    assert selector.account == ledger_pb2.AccountSelector(account="alice", role=ledger_pb2.ACCOUNT_ROLE_RECEIVER)


def test_two_conditions_with_an_index_of_their_own_exclude_each_other() -> None:
    """The API has one selector, and these two can't filter."""
    with pytest.raises(ValueError, match="choose one"):
        requests.transactions(account="alice", analysis_state="queued")


def test_a_wrong_word_names_the_right_ones() -> None:
    """A typo is found before the call."""
    with pytest.raises(ValueError, match="'sucess' is none of pending, failed, canceled, authorized, success"):
        requests.transactions(status="sucess")


def test_words_and_numbers_say_the_same() -> None:
    """Every value of every enum has a word; what a newer server adds is "" to this client."""
    for name in payment_pb2.PaymentStatus.keys()[1:]:
        number = payment_pb2.PaymentStatus.Value(name)
        assert words.STATUS.number(words.STATUS.word(number)) == number
    assert words.RISK_LEVEL.word(risk_pb2.RISK_LEVEL_HIGH) == "high"
    assert (words.STATUS.word(0), words.STATUS.word(99), words.STATUS.number("")) == ("", "", 0)


def test_an_event_states_what_it_was_given() -> None:
    """Words become the contract's numbers, an aware time its milliseconds."""
    stated = event("T-1", "refunded", money("5", "EUR"), event_id="r-1", time=datetime(2026, 1, 2, tzinfo=UTC))
    assert stated.kind == payment_pb2.EVENT_KIND_REFUNDED
    assert (stated.amount.minor_units, stated.event_time_ms) == (500, 1_767_312_000_000)
    assert not event("T-1", "failed").HasField("amount")


def test_each_item_has_a_delivery_id_of_its_own() -> None:
    """Made once, when the item is: a retry of the item carries the same one."""
    stated = event("T-1", "failed")
    assert item("orders", stated).delivery_id != item("orders", stated).delivery_id
    assert item("orders", stated, delivery_id="d-1").delivery_id == "d-1"


@given(ms=st.integers(0, 253_402_300_799_999), hours=st.integers(-12, 14))
def test_an_instant_is_exact_to_the_millisecond(ms: int, hours: int) -> None:
    """In every zone, and without a float on the way."""
    zone = timezone(timedelta(hours=hours))
    try:
        instant = datetime(1970, 1, 1, tzinfo=UTC).astimezone(zone) + timedelta(milliseconds=ms)
    except OverflowError:
        return
    assert milliseconds(instant) == ms == milliseconds(ms)


def test_a_time_without_a_zone_is_refused() -> None:
    """It is no instant."""
    with pytest.raises(ValueError, match="needs a zone"):
        milliseconds(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
