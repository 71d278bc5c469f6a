"""What a payment's events add up to depends on which they are, never on how they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ledger import counting
from services.ledger.counting import flags_of
from services.ledger.folding import apply, status_of, tally_of, totals_of
from services.ledger.model import (
    AMOUNT_MAX,
    Event,
    EventKind,
    Flag,
    Outcome,
    Payment,
    Status,
    Totals,
    Unstorable,
    content_hash,
)

K = EventKind


def event(kind: EventKind, amount: int | None = None, **fields: Any) -> Event:
    """An event of payment T, with the content hash that recording would give it."""
    values: dict[str, Any] = {
        "tx_id": "T",
        "kind": kind,
        "object_id": "",
        "amount": amount,
        "currency": "EUR" if amount is not None else "",
        "exponent": 2 if amount is not None else 0,
        "cumulative": False,
        "sender": "",
        "receiver": "",
        "description": "",
        **fields,
    }
    names = ("tx_id", "kind", "object_id", "amount", "currency", "cumulative", "sender", "receiver", "description")
    content = content_hash(*[values[name] for name in names])
    values.setdefault("event_id", f"h-{content.hex()}")
    return Event(content=content, **values)


def fold(events: Sequence[Event]) -> Payment:
    """The payment after these events came in this order, each by a delivery of its own."""
    payment: Payment | None = None
    for place, each in enumerate(events):
        payment, _, _ = apply(payment, each, source="s", delivery="", delivery_id=f"d-{place}", now_ms=1_000 + place)
    assert payment is not None
    return payment


def state(payment: Payment) -> Payment:
    """A payment without what arrival leaves behind: times of recording, outcomes, order, and the advisory risk."""
    kept = sorted(payment.events, key=lambda stored: stored.event.event_id)
    bare = tuple(
        replace(
            stored, outcome=Outcome.CREATED, delivery_id="", recorded_at_ms=0, event=replace(stored.event, risk=None)
        )
        for stored in kept
    )
    return replace(payment, events=bare, risk=None, recorded_at_ms=0, updated_at_ms=0)


# Accounts and the currency are known from some events only, and are the same wherever they are.
_KINDS_WITH_AMOUNT = (K.AUTHORIZED, K.CAPTURED, K.REFUNDED, K.REFUND_FAILED, K.CAPTURE_FAILED, K.DISPUTE_OPENED)
_KINDS_WITHOUT = (K.PENDING, K.FAILED, K.CANCELED, K.RETURNED, K.DISPUTE_WON, K.DISPUTE_LOST, K.REFUND_FAILED)


@st.composite
def events_of_one_payment(draw: st.DrawFn) -> list[Event]:
    """Up to eight events of one payment that don't contradict each other."""
    fixed = draw(st.integers(min_value=1, max_value=200))
    made = []
    for place in range(draw(st.integers(min_value=1, max_value=8))):
        amount = draw(st.none() | st.integers(min_value=1, max_value=200))
        kind = draw(st.sampled_from(_KINDS_WITHOUT if amount is None else _KINDS_WITH_AMOUNT))
        states_whole = amount is not None and draw(st.booleans())
        made.append(
            event(
                kind,
                fixed if states_whole else amount,
                event_id=f"e-{place}",
                amount_fixed=states_whole,
                object_id=draw(st.sampled_from(["", "o-1", "o-2"])),
                cumulative=amount is not None and draw(st.booleans()),
                sender=draw(st.sampled_from(["", "alice"])),
                receiver=draw(st.sampled_from(["", "shop"])),
                time_ms=draw(st.integers(min_value=0, max_value=3)),
                time_signed=draw(st.booleans()),
                description=draw(st.sampled_from(["", "tea", "coffee"])),
                aliases=draw(st.sampled_from([(), ("ch_1",), ("pi_1", "ch_1")])),
                risk=draw(st.sampled_from([None, {"score": 0.5}])),
            )
        )
    return made


@settings(max_examples=300, deadline=None)
@given(data=st.data(), events=events_of_one_payment())
def test_every_order_and_repetition_ends_in_the_same_state(data: st.DataObject, events: list[Event]) -> None:
    """However a set of events is permuted and repeated, the payment ends the same, each event in it once."""
    expected = state(fold(events))
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=6))
    arrival = data.draw(st.permutations([*events, *repeats]))
    payment = fold(arrival)
    assert state(payment) == expected
    assert payment.version == len(payment.events) == len(events)
    held = [stored.event for stored in payment.events]
    assert payment.totals == totals_of(held)
    assert payment.status is status_of(held, payment.totals)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), events=events_of_one_payment())
def test_a_conflicting_event_never_changes_the_payment(data: st.DataObject, events: list[Event]) -> None:
    """Another content under a known id, or another immutable fact, leaves the very same payment."""
    payment = fold(events)
    known = data.draw(st.sampled_from(events))
    forged = event(known.kind, (known.amount or 0) + 1, event_id=known.event_id, object_id=known.object_id)
    strangers = [(forged, "event_id")]
    if payment.currency:
        strangers.append((event(K.CAPTURED, 5, currency="USD", event_id="new"), "currency"))
    if payment.sender:
        strangers.append((event(K.FAILED, sender="mallory", event_id="new"), "sender_account"))
    if payment.receiver:
        strangers.append((event(K.FAILED, receiver="mallory", event_id="new"), "receiver_account"))
    if payment.amount_fixed:
        other = (payment.amount or 0) + 1
        strangers.append((event(K.CAPTURED, other, amount_fixed=True, event_id="new"), "amount"))
    for stranger, field in strangers:
        after, outcome, conflict = apply(payment, stranger, source="s", delivery="", delivery_id="d", now_ms=5)
        assert after is payment
        assert outcome is Outcome.CONFLICT
        assert conflict is not None
        assert conflict.field == field


@given(events=events_of_one_payment())
def test_a_first_event_makes_what_folding_it_alone_does(events: list[Event]) -> None:
    """The short way for a payment's first event and the fold over a set agree, whatever the event."""
    for first in events:
        payment = fold([first])
        tally = tally_of([first])
        totals = counting.totals_of(tally)
        assert payment.totals == totals
        assert payment.status == counting.status_of(tally, totals)
        assert payment.flags == flags_of(totals, tally.fixed)
        assert payment.amount == counting.amount_of(tally, totals)
        assert payment.amount_fixed == bool(tally.fixed)
        assert payment.description == tally.description


@given(events=events_of_one_payment())
def test_a_repeat_is_a_duplicate_and_changes_nothing(events: list[Event]) -> None:
    """A known event is DUPLICATE, but the delivery that brought it gets its first answer again."""
    payment = fold(events)
    for place, each in enumerate(events):
        after, outcome, conflict = apply(payment, each, source="s", delivery="", delivery_id="other", now_ms=5)
        assert (after is payment, outcome, conflict) == (True, Outcome.DUPLICATE, None)
        _, first, _ = apply(payment, each, source="s", delivery="", delivery_id=f"d-{place}", now_ms=5)
        assert first is payment.events[place].outcome


STORIES: list[tuple[str, list[Event], Status, Totals, tuple[Flag, ...]]] = [
    (
        "a refund may arrive before its capture",
        [event(K.CAPTURED, 100), event(K.REFUNDED, 40, object_id="r")],
        Status.PARTIALLY_REFUNDED,
        Totals(captured=100, refunded=40),
        (),
    ),
    (
        "a declined card tried again is normal life",
        [event(K.FAILED), event(K.CAPTURED, 100)],
        Status.SUCCESS,
        Totals(captured=100),
        (),
    ),
    (
        "60 and 60 given back of 100 is a flag, not a refusal",
        [
            event(K.CAPTURED, 100),
            event(K.REFUNDED, 60, event_id="r-1"),
            event(K.REFUNDED, 60, event_id="r-2"),
        ],
        Status.REFUNDED,
        Totals(captured=100, refunded=120),
        (Flag.OVER_REFUND,),
    ),
    (
        "a dispute won is as if it had not been",
        [event(K.CAPTURED, 100), event(K.DISPUTE_OPENED, 100, object_id="d"), event(K.DISPUTE_WON, object_id="d")],
        Status.SUCCESS,
        Totals(captured=100),
        (),
    ),
    (
        "one dispute won, another lost",
        [
            event(K.CAPTURED, 100),
            event(K.DISPUTE_OPENED, 60, object_id="d-1"),
            event(K.DISPUTE_WON, 60, object_id="d-1"),
            event(K.DISPUTE_OPENED, 30, object_id="d-2"),
            event(K.DISPUTE_LOST, 30, object_id="d-2"),
        ],
        Status.DISPUTED,
        Totals(captured=100, disputed=30),
        (),
    ),
    (
        "partial captures add up",
        [
            event(K.AUTHORIZED, 100),
            event(K.CAPTURED, 30, object_id="c-1"),
            event(K.CAPTURED, 50, object_id="c-2"),
        ],
        Status.SUCCESS,
        Totals(authorized=100, captured=80),
        (),
    ),
    (
        "cumulative refunds count by the largest",
        [
            event(K.CAPTURED, 100),
            event(K.REFUNDED, 20, cumulative=True, object_id="ch"),
            event(K.REFUNDED, 70, cumulative=True, object_id="ch"),
            event(K.REFUNDED, 50, cumulative=True, object_id="ch"),
        ],
        Status.PARTIALLY_REFUNDED,
        Totals(captured=100, refunded=70),
        (),
    ),
    (
        "delta and cumulative refunds of different objects add up",
        [
            event(K.CAPTURED, 100),
            event(K.REFUNDED, 20, cumulative=True, object_id="ch"),
            event(K.REFUNDED, 40, cumulative=True, object_id="ch"),
            event(K.REFUNDED, 60, object_id="r-1"),
        ],
        Status.REFUNDED,
        Totals(captured=100, refunded=100),
        (),
    ),
    (
        "a refund that failed is taken back",
        [event(K.CAPTURED, 100), event(K.REFUNDED, 100, object_id="r"), event(K.REFUND_FAILED, object_id="r")],
        Status.SUCCESS,
        Totals(captured=100),
        (),
    ),
    (
        "a capture that failed leaves the reservation",
        [event(K.AUTHORIZED, 100), event(K.CAPTURED, 100, object_id="c"), event(K.CAPTURE_FAILED, object_id="c")],
        Status.AUTHORIZED,
        Totals(authorized=100),
        (),
    ),
    (
        "given up before any capture",
        [event(K.PENDING), event(K.AUTHORIZED, 100), event(K.CANCELED)],
        Status.CANCELED,
        Totals(authorized=100),
        (),
    ),
    (
        "money that came back by itself",
        [event(K.CAPTURED, 100), event(K.RETURNED)],
        Status.RETURNED,
        Totals(captured=100),
        (),
    ),
    (
        "captured twice in full is a flag",
        [
            event(K.AUTHORIZED, 100),
            event(K.CAPTURED, 100, object_id="c-1"),
            event(K.CAPTURED, 100, object_id="c-2"),
        ],
        Status.SUCCESS,
        Totals(authorized=100, captured=200),
        (Flag.DUPLICATE_CAPTURE,),
    ),
]


@pytest.mark.parametrize(
    ("events", "status", "totals", "flags"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES]
)
def test_a_story_ends_the_same_however_it_is_told(
    events: list[Event], status: Status, totals: Totals, flags: tuple[Flag, ...]
) -> None:
    """In every order of arrival the status, the sums and the flags are the expected ones."""
    for order in permutations(events):
        payment = fold(order)
        assert (payment.status, payment.totals, payment.flags) == (status, totals, flags)


def test_a_later_fact_that_changes_nothing_is_stale() -> None:
    """A fact that leaves status and totals as they are is kept, and said to be stale."""
    payment = fold([event(K.CAPTURED, 100)])
    after, outcome, _ = apply(payment, event(K.FAILED), source="s", delivery="", delivery_id="d", now_ms=5)
    assert after is not None
    assert (outcome, after.version, after.status) == (Outcome.STALE, 2, Status.SUCCESS)


def test_the_latest_signed_description_stands() -> None:
    """Descriptions follow signed event time, then event id; an unsigned time counts for nothing."""
    first = event(K.CAPTURED, 100, description="first", time_ms=5, time_signed=True)
    second = event(K.PENDING, description="second", time_ms=9, time_signed=True)
    hint = event(K.FAILED, description="hint", time_ms=99)
    for order in permutations([first, second, hint]):
        assert fold(order).description == "second"


def test_a_total_beyond_int64_is_unstorable() -> None:
    """A sum that does not fit is refused, naming the amount, not wrapped."""
    payment = fold([event(K.CAPTURED, AMOUNT_MAX, object_id="a")])
    with pytest.raises(Unstorable) as refused:
        apply(payment, event(K.CAPTURED, 1, object_id="b"), source="s", delivery="", delivery_id="d", now_ms=5)
    assert refused.value.field == "amount"


def test_nothing_captured_is_no_over_refund() -> None:
    """A refund whose capture has not arrived yet raises no flag."""
    assert flags_of(Totals(refunded=50), 0) == ()
