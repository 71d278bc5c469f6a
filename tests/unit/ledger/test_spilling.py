"""A payment of hundreds of events: a small document, every event once, and the same state as if nothing had moved."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ledger.folding import apply
from services.ledger.model import Event, EventKind, Outcome, Payment, StoredEvent
from services.ledger.spilling import EMBEDDED_MAX
from tests.fakes.ledger_items import event, refund, stated
from tests.fakes.virtual_time import run_virtual
from tests.unit.ledger.rig import Rig

K = EventKind
PAYMENT = "autopay:T-1"


@cache
def story() -> Sequence[Event]:
    """450 events of one payment: sums and maxima, objects of many events, reversals, disputes, texts."""
    draw = random.Random(7)
    made = [event("T-1", "capture", amount=1_000_000), event("T-1", "pending", kind=K.PENDING, amount=1_000_000)]
    while len(made) < 450:
        number = len(made)
        object_id = f"o-{draw.randrange(120)}"
        kind = draw.choice(
            [K.REFUNDED, K.REFUNDED, K.REFUNDED, K.REFUND_FAILED, K.CAPTURED, K.DISPUTE_OPENED, K.DISPUTE_WON, K.FAILED]
        )
        amount = None if kind in {K.FAILED, K.DISPUTE_WON} else draw.randrange(1, 500)
        made.append(
            event(
                "T-1",
                f"e-{number}",
                kind=kind,
                amount=amount,
                amount_fixed=False,
                object_id=object_id,
                cumulative=kind is K.REFUNDED and object_id > "o-6",
                description=f"text {number}" if number % 50 == 0 else "",
                time_ms=1_700_000_000_000 + draw.randrange(10_000),
                aliases=(f"a-{number % 5}",),
            )
        )
    return made


@cache
def expected() -> Payment:
    """The state when nothing ever moves."""
    payment = None
    for each in story():
        payment, _, _ = apply(payment, each, source="autopay", delivery="", delivery_id="d", now_ms=1)
    assert payment is not None
    return payment


def state(payment: Payment) -> Payment:
    """A payment without what arrival leaves behind."""
    return replace(payment, events=(), spilled=None, recorded_at_ms=0, updated_at_ms=0)


def record(rig: Rig, events: Sequence[Event], cut: random.Random, *, largest: int) -> list[Outcome]:
    """Record events in batches of random sizes, each item of one to four events."""
    outcomes: list[Outcome] = []
    items = []
    rest = list(events)
    while rest:
        size = cut.randint(1, 4)
        items.append(stated(f"d-{len(rest)}", *rest[:size]))
        rest = rest[size:]
    while items:
        size = cut.randint(1, largest)
        for result in run_virtual(rig.record(*items[:size])):
            assert result.failure is None
            outcomes += [each.outcome for each in result.events]
        items = items[size:]
    return outcomes


def held(rig: Rig) -> list[StoredEvent]:
    """Every event stored, wherever: in the document, or beside it and no longer in the document."""
    embedded = rig.payments.get(PAYMENT).events
    ids = {each.event.event_id for each in embedded}
    return [*embedded, *(each for (_, id_), each in rig.payments.overflow.items() if id_ not in ids)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), largest=st.sampled_from([3, 40, 256]))
def test_450_events_in_any_order_and_batches_end_in_the_state_of_an_unspilled_fold(seed: int, largest: int) -> None:
    """However they arrive and repeat, the sums, status and texts are the same, and each event is kept once."""
    cut = random.Random(seed)
    arrival = list(story())
    cut.shuffle(arrival)
    # Not of the last few: one delivery that holds an event twice gets its first answer twice.
    arrival += cut.sample(arrival[:-4], 40)
    rig = Rig()
    outcomes = record(rig, arrival, cut, largest=largest)
    payment = rig.payments.get(PAYMENT)
    assert state(payment) == state(expected())
    assert len(payment.events) <= EMBEDDED_MAX
    assert payment.spilled is not None
    assert payment.spilled.count + len(payment.events) == 450
    assert sorted(each.event.event_id for each in held(rig)) == sorted(each.event_id for each in story())
    assert outcomes.count(Outcome.DUPLICATE) == 40
    assert outcomes.count(Outcome.CREATED) == 1
    assert Outcome.CONFLICT not in outcomes


async def test_an_event_that_moved_out_is_still_known() -> None:
    """Repeated it is a duplicate, to its own delivery the first answer; with another content it is a conflict."""
    rig = Rig()
    first = [stated(f"d-{number}", each) for number, each in enumerate(story())]
    for start in range(0, len(first), 50):
        await rig.record(*first[start : start + 50])
    moved = [id_ for _, id_ in rig.payments.overflow]
    assert "e-9" in moved
    before = rig.payments.get(PAYMENT)
    forged = refund("e-9", 7, object_id="forged")
    [again, own, other] = await rig.outcomes(stated("x", story()[9]), first[9], stated("y", forged))
    assert (again, other) == ([Outcome.DUPLICATE], [Outcome.CONFLICT])
    assert own in ([Outcome.UPDATED], [Outcome.STALE])
    assert rig.payments.get(PAYMENT) == before


async def test_payments_that_never_spilled_are_not_looked_up_beside_them() -> None:
    """Only a payment that spilled costs a look at what moved out."""
    rig = Rig()
    for number in range(3):
        await rig.record(stated(f"d-{number}", refund(f"e-{number}", 1)))
    assert "read_spilled" not in rig.payments.calls


async def test_a_writer_that_loses_the_race_leaves_only_copies() -> None:
    """What moved for a write that then did not happen is in the payment still, and counts once."""
    rig = Rig()
    for start in range(0, 200, 50):
        await rig.record(stated(f"d-{start}", *story()[start : start + 50]))
    assert len(rig.payments.get(PAYMENT).events) == EMBEDDED_MAX
    before = rig.payments.get(PAYMENT)

    def other_writer() -> None:
        after, _, _ = apply(
            before, refund("other", 5), source="autopay", delivery="", delivery_id="o", now_ms=rig.now_ms
        )
        rig.payments.put(after)

    rig.payments.before_update.append(other_writer)
    assert await rig.outcomes(stated("d", refund("late", 7))) == [[Outcome.UPDATED]]
    payment = rig.payments.get(PAYMENT)
    assert payment.spilled is not None
    assert payment.spilled.count + len(payment.events) == 202
    assert len({each.event.event_id for each in held(rig)}) == 202
    alone, _, _ = apply(before, refund("other", 5), source="autopay", delivery="", delivery_id="", now_ms=1)
    alone, _, _ = apply(alone, refund("late", 7), source="autopay", delivery="", delivery_id="", now_ms=1)
    assert state(payment) == state(alone)


async def test_many_large_events_move_out_before_their_payment_is_too_large() -> None:
    """A money event is not refused because its payment's document would be too large."""
    rig = Rig()
    large = [refund(f"e-{number}", 1, aliases=tuple(f"{n}" * 900 for n in range(10, 26))) for number in range(220)]
    for start in range(0, len(large), 44):
        [outcome] = await rig.outcomes(stated(f"d-{start}", *large[start : start + 44]))
        assert isinstance(outcome, list)
    payment = rig.payments.get(PAYMENT)
    assert payment.totals.refunded == 220
    assert len(held(rig)) == 220
