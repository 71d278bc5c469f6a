"""Payments and deliveries as BSON: whatever can be stored comes back the same, and what can't is named."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ledger.adapters.documents import CODEC, DOCUMENT_BYTES_MAX, encode, of_payment, to_payment
from services.ledger.folding import apply
from services.ledger.model import AMOUNT_MAX, Event, EventKind, Payment, Unstorable
from tests.fakes.ledger_items import NOW_MS, event

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def events() -> st.SearchStrategy[Event]:
    """Events as they may come over the wire, with and without an amount and a time."""
    return st.builds(
        event,
        tx_id=st.just("T-1"),
        time_ms=st.just(0) | st.integers(1, 2**40),
        time_signed=st.just(False),
        event_id=st.uuids().map(str),
        kind=st.sampled_from(list(EventKind)),
        object_id=TEXT,
        amount=st.integers(1, AMOUNT_MAX // 64),
        amount_fixed=st.just(False),
        cumulative=st.booleans(),
        sender=st.just("payer"),
        receiver=st.sampled_from(["shop", ""]),
        description=TEXT,
        aliases=st.lists(TEXT, max_size=3).map(tuple),
        dispute_reason=st.integers(0, 10),
    )


def stored_and_read(payment: Payment) -> Payment:
    """Return a payment after its way through BSON."""
    document = bson.decode(encode(of_payment(payment)), CODEC)
    return to_payment(document)


def folded(*some: Event) -> Payment:
    """Return the payment of some events."""
    payment = None
    for number, each in enumerate(some):
        payment, _, _ = apply(
            payment, each, source="autopay", delivery="a:b", delivery_id=f"d-{number}", now_ms=NOW_MS + number
        )
    assert payment is not None
    return payment


@settings(max_examples=150, deadline=None)
@given(st.lists(events(), min_size=1, max_size=6))
def test_a_payment_survives_its_document(some: list[Event]) -> None:
    """Encoding and reading back gives the same payment, whatever its events."""
    payment = folded(*some)
    assert stored_and_read(payment) == payment


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.one_of(st.integers(-(2**80), 2**80), st.text(max_size=20), st.binary(max_size=20), st.floats(), st.none()),
        max_size=5,
    )
)
def test_any_document_is_encoded_or_refused_by_a_field_that_can_be_said(document: dict[str, Any]) -> None:
    """Encoding ends in bytes or in Unstorable with a field name of plain ASCII, never in another error."""
    named = ""
    try:
        encode(document)
    except Unstorable as refused:
        named = refused.field
    assert named.isascii()
    assert "\0" not in named


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"a": 1, "b": 2**63}, "b"),
        ({"a": "\ud800"}, "a"),
        ({"ok": 1, "x\0y": 1}, "x\\0y"),
        ({"ok": 1, "\ud800": 1}, "\\ud800"),
        ({"a": {"b": {"c": -(2**63) - 1}}}, "a"),
        ({"a": object()}, "a"),
        ({"a": "x" * DOCUMENT_BYTES_MAX}, "document"),
    ],
)
def test_the_guilty_field_is_named(document: dict[str, Any], field: str) -> None:
    """What can't be encoded is named by its top-level field, and what is only too much by the whole."""
    with pytest.raises(Unstorable) as refused:
        encode(document)
    assert refused.value.field == field


def test_what_is_empty_is_left_out() -> None:
    """A field that says nothing takes no room, and is read back as empty."""
    bare = folded(
        event(
            kind=EventKind.PENDING,
            amount=None,
            currency="",
            exponent=0,
            amount_fixed=False,
            sender="",
            receiver="",
            time_ms=0,
            time_signed=False,
        )
    )
    document = of_payment(bare)
    for name in ("amount", "currency", "sender_account", "receiver_account", "description", "aliases", "risk"):
        assert name not in document
    for name in ("amount", "object_id", "time", "sender_account", "description", "aliases"):
        assert name not in document["events"][0]
    assert stored_and_read(bare) == bare


def test_a_risk_is_the_payments_and_not_repeated_in_its_events() -> None:
    """The score is stored once."""
    risk = {"score": 0.5, "level": "medium", "reasons": [], "model_version": "1"}
    payment = folded(event(risk=risk))
    document = of_payment(payment)
    assert document["risk"] == risk
    assert "risk" not in document["events"][0]
    [stored] = payment.events
    plain = replace(stored, event=replace(stored.event, risk=None))
    assert stored_and_read(payment) == replace(payment, events=(plain,))
