"""What a batch of deliveries does to each other: nothing, unless they speak of one payment or hold the same bytes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ledger.model import Disposition, Event, EventKind, Failure, Item, Outcome
from tests.fakes.ledger_items import delivery, event, item, key_of, refund, stated, unmapped
from tests.fakes.virtual_time import run_virtual
from tests.unit.ledger.rig import Rig, outcome_of

CREATED, DUPLICATE, UPDATED, STALE = Outcome.CREATED, Outcome.DUPLICATE, Outcome.UPDATED, Outcome.STALE


@pytest.fixture
def rig() -> Rig:
    """A recorder on empty stores."""
    return Rig()


async def test_answers_stand_in_the_order_of_the_items(rig: Rig) -> None:
    """Whatever each item's fate, the n-th answer is the n-th item's."""
    await rig.record(item("d-0", event("T-1")))
    outcomes = await rig.outcomes(
        item("d-1", event("T-2")),
        item("d-2", event("T-1")),
        unmapped("d-3", Disposition.IGNORED),
        item("d-4", event("T-3", amount=2**70)),
        item("d-5", refund("e-2", 300)),
        item("d-6", event("T-1", amount=1)),
    )
    assert outcomes == [[CREATED], [DUPLICATE], [], Failure.UNSTORABLE, [UPDATED], [Outcome.CONFLICT]]


async def test_events_of_one_new_payment_fold_in_one_write(rig: Rig) -> None:
    """Several deliveries of one new payment are one document, each answered as if it had come alone."""
    results = await rig.record(
        item("d-1", event()),
        item("d-2", refund("e-2", 300)),
        item("d-3", event()),
        item("d-4", event("T-1", "e-4", kind=EventKind.PENDING)),
        item("d-5", event("T-1", "e-5", amount=7)),
    )
    answers = [(each.events[0].outcome, each.events[0].version) for each in results]
    assert answers == [(CREATED, 1), (UPDATED, 2), (DUPLICATE, 2), (STALE, 3), (Outcome.CONFLICT, 3)]
    assert rig.payments.calls == ["insert_new"]
    payment = rig.payments.get("autopay:T-1")
    assert (payment.version, len(payment.events), payment.totals.refunded) == (3, 3, 300)
    dispositions = {each["delivery_id"]: each["disposition"] for each in rig.deliveries.documents.values()}
    assert dispositions == {
        "d-1": "recorded",
        "d-2": "recorded",
        "d-3": "duplicate",
        "d-4": "recorded",
        "d-5": "conflict",
    }


async def test_events_of_one_known_payment_fold_in_one_update(rig: Rig) -> None:
    """Several deliveries of one known payment are one guarded write."""
    await rig.record(item("d-0", event()))
    results = await rig.record(
        item("d-1", refund("e-1r", 300)), item("d-2", refund("e-2r", 700)), item("d-3", refund("e-1r", 300))
    )
    answers = [(each.events[0].outcome, each.events[0].version) for each in results]
    assert answers == [(UPDATED, 2), (UPDATED, 3), (DUPLICATE, 3)]
    assert rig.payments.calls == ["insert_new", "insert_new", "read_durable", "update"]
    assert rig.payments.get("autopay:T-1").totals.refunded == 1_000


async def test_one_delivery_may_hold_events_of_several_payments(rig: Rig) -> None:
    """Each event is answered, and the delivery's disposition is that of its most severe event."""
    await rig.record(item("d-0", event("T-1")), item("d-00", event("T-2")))
    [result] = await rig.record(
        item("d-1", event("T-1"), event("T-2", amount=5), event("T-3"), event("T-3", "e-2", kind=EventKind.PENDING))
    )
    assert [each.outcome for each in result.events] == [DUPLICATE, Outcome.CONFLICT, CREATED, STALE]
    assert [each.tx_id for each in result.events] == ["T-1", "T-2", "T-3", "T-3"]
    assert result.disposition is Disposition.CONFLICT


async def test_the_same_bytes_twice_in_a_batch_are_one_delivery_counted_twice(rig: Rig) -> None:
    """A sender that sends twice at once is answered CREATED and DUPLICATE; its bytes are stored once."""
    items = [item(f"d-{number}", event(), body=b"{}") for number in range(3)]
    assert await rig.outcomes(*items) == [[CREATED], [DUPLICATE], [DUPLICATE]]
    [stored] = rig.deliveries.documents.values()
    assert (stored["count"], stored["delivery_id"], stored["disposition"]) == (3, "d-0", "recorded")
    assert len(rig.payments.get("autopay:T-1").events) == 1


async def test_new_bytes_twice_of_a_known_event_are_a_duplicate(rig: Rig) -> None:
    """Bytes that are new, come twice and say nothing new are stored as a duplicate, not as recorded."""
    await rig.record(item("d-0", event(), body=b"{0}"))
    await rig.record(item("d-1", event(), body=b"{1}"), item("d-2", event(), body=b"{1}"))
    stored = rig.deliveries.documents[key_of(b"{1}")]
    assert (stored["count"], stored["disposition"]) == (2, "duplicate")


POISON = {
    "amount": item("poison", event("T-p", kind=EventKind.PENDING, amount=2**70)),
    "description": item("poison", event("T-p", description="\ud800")),
    "headers": item("poison", event("T-p"), delivery=delivery(b"{p}", headers=(("x\0y", b"1"),))),
    "key_id": item("poison", event("T-p"), delivery=delivery(b"{p}", key_id="\udfff")),
    "risk": item("poison", event("T-p", risk={"score": 1.0, "evidence": {"a\0b": "1"}})),
    "document": item("poison", event("T-p"), delivery=delivery(b"{p}", key_id="x" * 1_100_000)),
    "events": item("poison", event("T-p", object_id="\ud800")),
}


@pytest.mark.parametrize("field", POISON)
async def test_poison_among_255_good_items_fails_alone(rig: Rig, field: str) -> None:
    """An item that can't be stored is refused by field, leaves nothing behind, and harms none of its neighbours."""
    items = [item(f"d-{number}", event(f"T-{number}")) for number in range(255)]
    items.insert(100, POISON[field])
    results = await rig.record(*items)
    poisoned = results.pop(100) if isinstance(results, list) else None
    assert poisoned is not None
    assert (poisoned.disposition, poisoned.failure, poisoned.field) == (None, Failure.UNSTORABLE, field)
    assert [outcome_of(result) for result in results] == [[CREATED]] * 255
    assert len(rig.payments.documents) == len(rig.deliveries.documents) == 255
    assert "autopay:T-p" not in rig.payments.documents


async def test_poison_does_not_take_its_own_payment_along(rig: Rig) -> None:
    """Of two events of one new payment only the one that can't be stored is refused."""
    good, bad = event(), event("T-1", "e-2", kind=EventKind.PENDING, amount=2**70, amount_fixed=False)
    assert await rig.outcomes(item("d-1", good), item("d-2", bad)) == [[CREATED], Failure.UNSTORABLE]
    assert [each.event.event_id for each in rig.payments.get("autopay:T-1").events] == ["e-1"]


async def test_a_poisoned_event_takes_its_whole_delivery_along(rig: Rig) -> None:
    """A delivery is recorded whole or not at all: its good event is not stored when its other one can't be."""
    bad = item("d-1", event("T-1"), event("T-2", description="\ud800"))
    assert await rig.outcomes(bad, item("d-2", event("T-3"))) == [Failure.UNSTORABLE, [CREATED]]
    assert set(rig.payments.documents) == {"autopay:T-3"}


async def test_poison_for_a_known_payment_changes_nothing(rig: Rig) -> None:
    """An event that would push a known payment's total beyond int64 is refused, and the payment stays."""
    large = {"amount": 2**62, "amount_fixed": False}
    await rig.record(item("d-0", event("T-1", "e-0", **large)))
    before = rig.payments.get("autopay:T-1")
    outcomes = await rig.outcomes(
        item("d-1", event("T-1", "e-1", **large)), item("d-2", event("T-2")), item("d-3", event("T-1", "e-0", **large))
    )
    assert outcomes[:2] == [Failure.UNSTORABLE, [CREATED]]
    assert rig.payments.get("autopay:T-1") == before


async def test_bytes_that_brought_nothing_do_not_say_that_they_did(rig: Rig) -> None:
    """They go in beside a payment that then has no room for their event: they are unprocessable, not recorded."""
    large = {"amount": 2**62, "amount_fixed": False}
    await rig.record(item("d-0", event("T-1", "e-0", **large)))
    assert await rig.outcomes(item("d-1", event("T-1", "e-1", **large), body=b"{1}")) == [Failure.UNSTORABLE]
    stored = rig.deliveries.documents[key_of(b"{1}")]
    assert (stored["disposition"], stored["detail"]) == ("unprocessable", "amount: can't be stored")


async def test_a_document_that_storage_refuses_fails_alone(rig: Rig) -> None:
    """What the server refuses for good is UNSTORABLE for that item only."""
    rig.payments.refused.add("autopay:T-1")
    assert await rig.outcomes(item("d-1", event("T-1")), item("d-2", event("T-2"))) == [Failure.UNSTORABLE, [CREATED]]


async def test_nobody_is_acknowledged_for_bytes_that_storage_refused(rig: Rig) -> None:
    """When the bytes can't be stored, every item of the batch that holds them is refused, not only the first."""
    rig.deliveries.refused.add(key_of(b"{}"))
    items = [item(f"d-{number}", event(), body=b"{}") for number in range(2)]
    assert await rig.outcomes(*items) == [Failure.UNSTORABLE, Failure.UNSTORABLE]


def occurrences() -> st.SearchStrategy[list[tuple[int, int]]]:
    """Which event of a payment's story comes in which delivery, repeats and all."""
    return st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=12)


STORY: list[Event] = [
    event("T-1", "e-0", kind=EventKind.PENDING),
    event("T-1", "e-1", kind=EventKind.AUTHORIZED),
    event("T-1", "e-2"),
    refund("e-3", 300),
    refund("e-4", 700, object_id="r-2"),
    event("T-1", "e-2", amount=999),
]


@settings(max_examples=60, deadline=None)
@given(came=occurrences(), seed=st.integers(0, 1_000))
def test_how_arrivals_are_batched_changes_no_answer(came: list[tuple[int, int]], seed: int) -> None:
    """The same arrivals are answered and stored alike whether they come one by one or in any batches."""
    items = [stated(f"d-{number}", STORY[which]) for number, (which, _) in enumerate(came)]
    alone, batched = Rig(), Rig()
    expected = [run_virtual(alone.outcomes(each))[0] for each in items]
    rest, got, cut = items, [], random.Random(seed)
    while rest:
        size = cut.randint(1, len(rest))
        got += run_virtual(batched.outcomes(*rest[:size]))
        rest = rest[size:]
    assert got == expected
    if alone.payments.documents:
        assert replace(batched.payments.get("autopay:T-1")) == alone.payments.get("autopay:T-1")


@settings(max_examples=60, deadline=None)
@given(came=occurrences(), data=st.data())
def test_order_of_arrival_changes_no_payment(came: list[tuple[int, int]], data: st.DataObject) -> None:
    """A payment's state depends on which events came, never on their order or how often they came."""
    facts = STORY[:5]
    items = [stated(f"d-{number}", facts[which % 5]) for number, (which, _) in enumerate(came)]
    shuffled: list[Item] = data.draw(st.permutations(items))
    one, other = Rig(), Rig()
    run_virtual(one.outcomes(*items))
    for each in shuffled:
        run_virtual(other.outcomes(each))
    left, right = one.payments.get("autopay:T-1"), other.payments.get("autopay:T-1")
    assert (left.status, left.totals, left.amount, left.flags) == (
        right.status,
        right.totals,
        right.amount,
        right.flags,
    )
    assert left.version == right.version == len({which % 5 for which, _ in came})
