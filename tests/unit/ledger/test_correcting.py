"""Accepting a conflict: the accepted facts hold, what they override is kept, and everything old stays a duplicate."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import Fault
from services.ledger.correcting import Acceptance, Corrector
from services.ledger.folding import apply
from services.ledger.model import Disposition, Event, EventKind, Outcome, Payment, Status, Totals
from services.ledger.ports import Conflicting
from services.ledger.settling import Settler
from tests.fakes.ledger_items import NOW_MS, event, item, refund, stated
from tests.fakes.virtual_time import run_virtual
from tests.unit.ledger.rig import Rig

PAYMENT = "autopay:T-1"
K = EventKind


async def accept(rig: Rig, forged: Event, *, place: int = 0, field: str = "amount", sha: str = "ab") -> bool:
    """Accept an event that conflicted."""
    corrector = Corrector(rig.payments, Settler(rig.payments))
    acceptance = Acceptance(
        source="autopay", delivery=f"autopay:{sha * 32}", author="ann", note="the bank confirms it", now_ms=NOW_MS + 9
    )
    return await corrector.accept(Conflicting(place=place, field=field, event=forged), acceptance)


def stored(rig: Rig) -> Payment:
    """The payment."""
    return rig.payments.get(PAYMENT)


async def refused(rig: Rig, forged: Event) -> str:
    """Record an event that conflicts, and return the field it conflicts by."""
    [result] = await rig.record(item("forged", forged))
    assert result.disposition is Disposition.CONFLICT
    return result.events[0].conflict_field


async def test_another_content_under_a_known_id_replaces_the_first() -> None:
    """After acceptance the accepted amount counts alone, and both contents are known."""
    rig = Rig()
    first, forged = event("T-1", "e-1", amount=100), event("T-1", "e-1", amount=120)
    await rig.record(item("d-1", first))
    assert await refused(rig, forged) == "event_id"
    assert await accept(rig, forged, field="event_id")
    payment = stored(rig)
    assert (payment.amount, payment.totals.captured, payment.version, payment.flags) == (120, 120, 2, ())
    assert [each.event.event_id for each in payment.events] == ["e-1", "correction-" + "ab" * 16 + "-0"]
    correction = payment.events[1].event.correction
    assert correction is not None
    assert (correction.author, correction.note, correction.of) == ("ann", "the bank confirms it", "e-1")
    assert correction.replaces == ("e-1",)
    assert await rig.outcomes(stated("d-2", first), stated("d-3", forged)) == [[Outcome.DUPLICATE]] * 2
    assert await rig.outcomes(stated("d-4", event("T-1", "e-1", amount=130))) == [[Outcome.CONFLICT]]
    assert stored(rig) == payment


async def test_accepting_again_changes_nothing() -> None:
    """A decision that is sent twice is one correction."""
    rig = Rig()
    await rig.record(item("d-1", event("T-1", "e-1", amount=100)))
    forged = event("T-1", "e-2", amount=120)
    assert await accept(rig, forged)
    before = stored(rig)
    assert not await accept(rig, forged)
    assert not await accept(rig, forged, sha="cd")
    assert stored(rig) == before


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("amount", {"amount": 80}, {"amount": 80}),
    ("sender_account", {"sender": "bob"}, {"sender": "bob"}),
    ("receiver_account", {"receiver": "bank"}, {"receiver": "bank"}),
    ("currency", {"currency": "USD"}, {"currency": "USD"}),
]


@pytest.mark.parametrize(("field", "facts", "held"), FIELDS, ids=[each[0] for each in FIELDS])
async def test_an_accepted_fact_overrides_the_immutable_one(
    field: str, facts: dict[str, Any], held: dict[str, Any]
) -> None:
    """The accepted fact becomes the payment's, what stated another no longer counts, and repeats are known."""
    rig = Rig()
    first, forged = event("T-1", "e-1", amount=100), event("T-1", "e-2", **{"amount": 100, **facts})
    await rig.record(item("d-1", first))
    assert await refused(rig, forged) == field
    assert await accept(rig, forged, field=field)
    payment = stored(rig)
    assert {name: getattr(payment, name) for name in held} == held
    assert payment.totals == Totals(captured=payment.amount or 0)
    assert payment.status is Status.SUCCESS
    assert await rig.outcomes(stated("d-2", first), stated("d-3", forged)) == [[Outcome.DUPLICATE]] * 2
    # What agrees with the corrected payment is recorded, what agrees with the old one contradicts now.
    agreeing = event("T-1", "e-3", kind=K.PENDING, **{"amount": 100, **facts})
    opposing = event("T-1", "e-4", kind=K.PENDING, amount=100)
    assert await rig.outcomes(stated("d-4", agreeing), stated("d-5", opposing)) == [[Outcome.STALE], [Outcome.CONFLICT]]
    assert {name: getattr(stored(rig), name) for name in held} == held


async def test_other_events_of_the_payment_go_on_counting() -> None:
    """A correction of the capture leaves refunds alone; an accepted refund adds to what is there."""
    rig = Rig()
    await rig.record(item("d-1", event("T-1", "e-1", amount=100)), item("d-2", refund("r-1", 30)))
    await accept(rig, event("T-1", "e-2", amount=90))
    await accept(rig, refund("r-2", 20, sender="bob"), sha="cd")
    payment = stored(rig)
    assert payment.totals == Totals(captured=90, refunded=50)
    assert payment.sender == "bob"
    assert payment.status is Status.PARTIALLY_REFUNDED


async def test_the_later_of_two_decisions_holds() -> None:
    """Of two accepted contents of one event the one accepted last counts."""
    rig = Rig()
    await rig.record(item("d-1", event("T-1", "e-1", amount=100)))
    await accept(rig, event("T-1", "e-1", amount=120), sha="ab")
    await accept(rig, event("T-1", "e-1", amount=110), sha="cd")
    payment = stored(rig)
    assert (payment.amount, payment.totals.captured) == (110, 110)
    ranks = [each.event.correction.rank for each in payment.events if each.event.correction is not None]
    assert ranks == [1, 2]
    for amount in (100, 110, 120):
        again = stated(f"d-{amount}", event("T-1", "e-1", amount=amount))
        assert await rig.outcomes(again) == [[Outcome.DUPLICATE]]


async def test_amounts_of_two_currencies_are_never_added_up() -> None:
    """Accepting a refund in another currency than the capture's is refused, and changes nothing."""
    rig = Rig()
    await rig.record(item("d-1", event("T-1", "e-1", amount=100)))
    before = stored(rig)
    with pytest.raises(Fault) as fault:
        await accept(rig, refund("r-1", 30, currency="USD"))
    assert (fault.value.reason, fault.value.metadata) == ("NOT_RESOLVABLE", {"disposition": "conflict"})
    assert "EUR, USD" in fault.value.message
    assert stored(rig) == before


async def test_another_writer_in_between_costs_a_second_look() -> None:
    """A correction that loses the race is made again over what is there then."""
    rig = Rig()
    await rig.record(item("d-1", event("T-1", "e-1", amount=100)))

    def other_writer() -> None:
        after, _, _ = apply(
            stored(rig), refund("r-1", 10), source="autopay", delivery="", delivery_id="o", now_ms=NOW_MS
        )
        rig.payments.put(after)

    rig.payments.before_update.append(other_writer)
    assert await accept(rig, event("T-1", "e-2", amount=120))
    payment = stored(rig)
    assert payment.totals == Totals(captured=120, refunded=10)
    assert payment.version == 3


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), corrected=st.integers(0, 399))
def test_what_moved_out_is_corrected_too(seed: int, corrected: int) -> None:
    """However far an event has moved from its payment's document, a correction of it counts instead of it."""
    cut = random.Random(seed)
    rig = Rig()
    refunds = [refund(f"r-{number}", 1 + number, object_id=f"o-{number % 9}") for number in range(400)]
    arrival = [event("T-1", "e-1", amount=1_000_000), *cut.sample(refunds, 400)]

    async def story() -> None:
        for start in range(0, len(arrival), 60):
            await rig.record(stated(f"d-{start}", *arrival[start : start + 60]))
        forged = refund(f"r-{corrected}", 5_000, object_id=f"o-{corrected % 9}")
        assert await accept(rig, forged, field="event_id")
        again = [stated("x", forged), stated("y", refunds[corrected])]
        assert await rig.outcomes(*again) == [[Outcome.DUPLICATE]] * 2
        more = [refund(f"s-{number}", 1) for number in range(150)]
        for start in range(0, 150, 50):
            await rig.record(stated(f"m-{start}", *more[start : start + 50]))

    run_virtual(story())
    payment = stored(rig)
    expected = sum(range(1, 401)) - (1 + corrected) + 5_000 + 150
    assert payment.totals.refunded == expected
    assert payment.spilled is not None
    assert payment.spilled.count + len(payment.events) == 1 + 400 + 1 + 150
