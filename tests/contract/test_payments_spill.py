"""What recording may rely on when a payment's oldest events move out of its document."""

from __future__ import annotations

from services.ledger.model import EventKind, Payment
from services.ledger.ports import Change, Renaming
from services.ledger.spilling import change_of
from tests.contract.conftest import Stores
from tests.contract.test_payments_store import after, insert
from tests.fakes.ledger_items import event, refund

MANY = [
    event("T-1", "e-0"),
    *(refund(f"e-{number}", number, object_id=f"r-{number % 7}", description=f"{number}") for number in range(1, 195)),
    event("T-1", "e-195", kind=EventKind.DISPUTE_OPENED, amount=5, amount_fixed=False, object_id="d"),
]


async def grown(stores: Stores, *, added: int = 10) -> tuple[Change, Payment]:
    """Store a payment of 196 events and one change that lets events move out; return the change, and it unmoved."""
    before = after(None, *MANY)
    await insert(stores, before)
    unmoved = after(before, *(refund(f"x-{number}", 1) for number in range(added)))
    change = change_of(before, unmoved)
    assert await stores.payments.update([change]) == 1
    return change, unmoved


async def test_what_moves_out_is_found_beside_the_payment(stores: Stores) -> None:
    """The payment reads back with its last events and the tally of the others, each of which is found by its id."""
    change, unmoved = await grown(stores)
    found = await stores.payments.read_durable(["autopay:T-1"])
    assert found == {"autopay:T-1": change.after}
    assert len(change.moved) == 106
    assert [*change.moved, *change.after.events] == list(unmoved.events)
    spilled = await stores.payments.read_spilled({"autopay:T-1": ["e-0", "e-105", "e-106", "x-1"], "autopay:T": ["1"]})
    assert spilled["autopay:T-1"] == {"e-0": change.moved[0], "e-105": change.moved[105]}
    assert not spilled.get("autopay:T")


async def test_later_events_append_to_a_payment_that_spilled(stores: Stores) -> None:
    """The next change appends, keeps the tally, and sums as if nothing had moved."""
    change, unmoved = await grown(stores)
    more = [refund("y-1", 3), refund("y-2", 4, object_id="r-1")]
    later = change_of(change.after, after(change.after, *more))
    assert not later.moved
    assert await stores.payments.update([later]) == 1
    found = (await stores.payments.read_durable(["autopay:T-1"]))["autopay:T-1"]
    assert found == later.after
    assert found.totals == after(unmoved, *more).totals


async def test_a_lost_race_moves_nothing(stores: Stores) -> None:
    """Where the version no longer matches, the payment keeps its events; copies beside it change nothing."""
    before = after(None, *MANY)
    await insert(stores, before)
    winner = change_of(before, after(before, refund("w", 1)))
    await stores.payments.update([winner])
    loser = change_of(before, after(before, *(refund(f"x-{number}", 1) for number in range(10))))
    assert loser.moved
    assert await stores.payments.update([loser]) == 0
    assert await stores.payments.read_durable(["autopay:T-1"]) == {"autopay:T-1": winner.after}
    again = change_of(winner.after, after(winner.after, *(refund(f"x-{number}", 1) for number in range(10))))
    assert await stores.payments.update([again]) == 1
    assert (await stores.payments.read_durable(["autopay:T-1"]))["autopay:T-1"] == again.after


async def test_an_event_that_moved_out_is_let_name_another_delivery(stores: Stores) -> None:
    """Beside its payment as within it, an event that names what it did is changed, and its neighbour is not."""
    await grown(stores)
    key = "autopay:T-1"
    await stores.payments.rename_deliveries(
        [Renaming(payment_id=key, event_id=event_id, before="a:b", after="a:c") for event_id in ("e-0", "x-1")]
    )
    spilled = (await stores.payments.read_spilled({key: ["e-0", "e-1"]}))[key]
    assert [spilled[event_id].delivery for event_id in ("e-0", "e-1")] == ["a:c", "a:b"]
    held = {each.event.event_id: each.delivery for each in (await stores.payments.read_durable([key]))[key].events}
    assert (held["x-0"], held["x-1"]) == ("a:b", "a:c")
