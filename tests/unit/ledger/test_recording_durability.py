"""When nothing may be acknowledged: lost answers, lost races, documents that no majority has yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from services.ledger.folding import apply
from services.ledger.model import Disposition, Event, EventKind, Failure, Outcome
from tests.fakes.ledger_items import NOW_MS, event, item, key_of, refund, stated, unmapped
from tests.unit.ledger.rig import Rig

CREATED, DUPLICATE, UPDATED = Outcome.CREATED, Outcome.DUPLICATE, Outcome.UPDATED
LOST = Failure.NOT_DURABLE


@pytest.fixture
def rig() -> Rig:
    """A recorder on empty stores."""
    return Rig()


def another_writer(rig: Rig, *events: Event) -> Callable[[], None]:
    """Return what another replica does: write events into T-1 between our read and our write."""

    def write() -> None:
        for each in events:
            payment, _, _ = apply(
                rig.payments.get("autopay:T-1"),
                each,
                source="autopay",
                delivery="",
                delivery_id=f"other-{each.event_id}",
                now_ms=NOW_MS,
            )
            rig.payments.put(payment)

    return write


@pytest.mark.parametrize("store", ["payments", "deliveries"])
async def test_a_lost_insert_makes_every_item_not_durable(rig: Rig, store: str) -> None:
    """If either insert's outcome is unknown nothing is acknowledged: not even what has no part in that insert."""
    getattr(rig, store).fail("insert_new")
    items = [item("d-1", event("T-1")), stated("d-2", event("T-2")), unmapped("d-3", Disposition.IGNORED)]
    assert await rig.outcomes(*items) == [LOST, LOST, LOST]


@pytest.mark.parametrize("store", ["payments", "deliveries"])
async def test_a_retry_after_a_lost_insert_gets_the_first_answer(rig: Rig, store: str) -> None:
    """What was written before the answer got lost is found again: the retry is CREATED, once, with one delivery."""
    getattr(rig, store).fail("insert_new")
    again = item("d-1", event())
    await rig.record(again)
    getattr(rig, store).heal()
    [result] = await rig.record(again)
    assert (result.disposition, result.events[0].outcome) == (Disposition.RECORDED, CREATED)
    assert len(rig.payments.get("autopay:T-1").events) == 1
    [stored] = rig.deliveries.documents.values()
    assert stored["disposition"] == "recorded"


@pytest.mark.parametrize("operation", ["read_durable", "update"])
async def test_a_lost_update_makes_every_item_not_durable(rig: Rig, operation: str) -> None:
    """If what is there can't be read durably, or the update's outcome is unknown, nothing is acknowledged."""
    await rig.record(item("d-0", event()))
    rig.payments.fail(operation)
    again = [item("d-1", refund("e-2", 300)), item("d-2", event("T-2"))]
    assert await rig.outcomes(*again) == [LOST, LOST]
    rig.payments.heal()
    assert await rig.outcomes(*again) == [[UPDATED], [CREATED]]
    assert rig.payments.get("autopay:T-1").totals.refunded == 300


async def test_a_duplicate_is_not_acknowledged_when_it_can_not_be_read_durably(rig: Rig) -> None:
    """A duplicate key alone proves nothing: what a fail-over may take back must not be answered."""
    await rig.record(item("d-0", event()))
    rig.payments.fail("read_durable")
    assert await rig.outcomes(item("d-1", event())) == [LOST]


async def test_a_lost_correction_of_deliveries_makes_every_item_not_durable(rig: Rig) -> None:
    """Counts and dispositions are written before anything is acknowledged."""
    await rig.record(item("d-0", event(), body=b"{}"))
    rig.deliveries.fail("repeat")
    assert await rig.outcomes(item("d-1", event(), body=b"{}"), item("d-2", event("T-2"))) == [LOST, LOST]


async def test_an_unstorable_item_stays_so_in_a_lost_batch(rig: Rig) -> None:
    """Poison is told apart before anything is sent: it is refused for good even when the rest is unknown."""
    rig.payments.fail("insert_new")
    outcomes = await rig.outcomes(item("d-1", event("T-1", amount=2**70)), item("d-2", event("T-2")))
    assert outcomes == [Failure.UNSTORABLE, LOST]


@pytest.mark.parametrize("losses", [1, 2])
async def test_a_lost_race_is_read_and_decided_again(rig: Rig, losses: int) -> None:
    """An update that another writer outran is folded over what is there now, twice if need be."""
    await rig.record(item("d-0", event()))
    for number in range(losses):
        rig.payments.before_update.append(another_writer(rig, refund(f"other-{number}", 100)))
    [result] = await rig.record(item("d-1", refund("e-2", 300)))
    assert result.events[0].outcome is UPDATED
    assert result.events[0].version == 2 + losses
    assert rig.payments.get("autopay:T-1").totals.refunded == 300 + 100 * losses


async def test_three_lost_races_are_contended_and_harm_nobody_else(rig: Rig) -> None:
    """An item whose payment others keep changing is given back; its neighbours are recorded."""
    await rig.record(item("d-0", event("T-1")), item("d-00", event("T-2")))
    for number in range(3):
        rig.payments.before_update.append(another_writer(rig, refund(f"other-{number}", 100)))
    items = [item("d-1", refund("e-2", 300)), item("d-2", refund("e-2", 300, tx_id="T-2")), item("d-3", event("T-3"))]
    assert await rig.outcomes(*items) == [Failure.CONTENDED, [UPDATED], [CREATED]]
    assert rig.payments.get("autopay:T-1").totals.refunded == 300
    assert rig.payments.get("autopay:T-2").totals.refunded == 300
    assert await rig.outcomes(items[0]) == [[UPDATED]]


async def test_a_race_lost_to_the_same_event_is_a_duplicate(rig: Rig) -> None:
    """When the other writer wrote this very event, nothing is left to write."""
    await rig.record(item("d-0", event()))
    rig.payments.before_update.append(another_writer(rig, refund("e-2", 300)))
    [result] = await rig.record(item("d-1", refund("e-2", 300)))
    assert (result.disposition, result.events[0].outcome, result.events[0].version) == (
        Disposition.DUPLICATE,
        DUPLICATE,
        2,
    )
    assert rig.payments.get("autopay:T-1").totals.refunded == 300


async def test_a_race_lost_to_a_contradiction_is_a_conflict(rig: Rig) -> None:
    """When the other writer wrote other facts under this event id, it stands, and ours is the conflict."""
    await rig.record(item("d-0", event()))
    rig.payments.before_update.append(another_writer(rig, refund("e-2", 400)))
    [result] = await rig.record(item("d-1", refund("e-2", 300)))
    assert (result.disposition, result.events[0].conflict_field) == (Disposition.CONFLICT, "event_id")
    assert rig.payments.get("autopay:T-1").totals.refunded == 400


async def test_a_write_that_did_happen_is_found_by_its_delivery_id(rig: Rig) -> None:
    """When one of two updates lost its race, the other is recognised as ours and keeps its first answer."""
    await rig.record(item("d-0", event("T-1")), item("d-00", event("T-2")))
    rig.payments.before_update.append(another_writer(rig, refund("other", 100)))
    results = await rig.record(item("d-1", refund("e-2", 300)), item("d-2", refund("e-2", 300, tx_id="T-2")))
    assert [(each.events[0].outcome, each.events[0].version) for each in results] == [(UPDATED, 3), (UPDATED, 2)]
    assert rig.payments.get("autopay:T-2").version == 2


@pytest.mark.parametrize(("reads", "expected"), [(1, [DUPLICATE]), (2, [DUPLICATE]), (3, Failure.CONTENDED)])
async def test_a_key_that_no_majority_has_yet_is_waited_for_and_then_given_back(
    rig: Rig, reads: int, expected: list[Outcome] | Failure
) -> None:
    """A duplicate key whose document can't be read durably is read again, and after three reads the item is retried."""
    await rig.record(item("d-0", event()))
    rig.payments.hidden["autopay:T-1"] = reads
    assert await rig.outcomes(item("d-1", event()), item("d-2", event("T-2"))) == [expected, [CREATED]]


async def test_a_payment_that_failed_is_not_in_its_deliverys_disposition(rig: Rig) -> None:
    """A delivery whose item failed keeps the guess until the retry says what became of it."""
    await rig.record(item("d-0", event()))
    rig.payments.hidden["autopay:T-1"] = 3
    again = item("d-1", event("T-1", amount=1))
    await rig.record(again)
    assert rig.deliveries.documents[key_of(b"d-1")]["disposition"] == "recorded"
    await rig.record(again)
    assert rig.deliveries.documents[key_of(b"d-1")]["disposition"] == "conflict"


async def test_both_inserts_have_ended_before_a_lost_batch_is_answered(rig: Rig) -> None:
    """A batch is not answered while one of its writes is still under way."""
    rig.deliveries.delay_s = 0.02
    rig.payments.fail("insert_new")
    assert await rig.outcomes(item("d-1", event())) == [LOST]
    assert rig.deliveries.calls == ["insert_new"]


async def test_a_first_answer_survives_what_came_later(rig: Rig) -> None:
    """A late retry of the first delivery is still CREATED, while the version is today's."""
    first = item("d-1", event("T-1", kind=EventKind.AUTHORIZED))
    await rig.record(first)
    await rig.record(item("d-2", event("T-1", "e-2")), item("d-3", refund("e-3", 1_000)))
    [result] = await rig.record(replace(first))
    assert (result.events[0].outcome, result.events[0].version) == (CREATED, 3)


@pytest.mark.parametrize("known", [False, True])
async def test_a_retry_of_what_was_given_back_counts_its_bytes_once(rig: Rig, known: bool) -> None:
    """An item whose payment others kept changing came once, however often it takes until it is recorded."""
    again = item("d-1", refund("e-2", 300), body=b"{}")
    await rig.record(item("d-0", event()), *([item("d-00", refund("e-2", 300), body=b"{}")] if known else []))
    for number in range(3):
        rig.payments.before_update.append(another_writer(rig, refund(f"other-{number}", 100)))
    if known:
        rig.payments.hidden["autopay:T-1"] = 3
    assert await rig.outcomes(again) == [Failure.CONTENDED]
    await rig.record(again)
    await rig.record(again)
    assert rig.deliveries.documents[key_of(b"{}")]["count"] == 1 + known


async def test_a_retry_after_a_lost_count_is_not_counted_again(rig: Rig) -> None:
    """Bytes that were counted before the answer got lost are not counted by the retry."""
    await rig.record(item("d-0", event(), body=b"{}"))
    rig.deliveries.fail("repeat")
    await rig.record(item("d-1", event(), body=b"{}"))
    rig.deliveries.heal()
    await rig.record(item("d-1", event(), body=b"{}"))
    assert rig.deliveries.documents[key_of(b"{}")]["count"] == 2


async def test_a_payment_of_a_newer_form_is_left_to_an_updated_replica(rig: Rig) -> None:
    """Its item fails alone and may be sent again; nothing of what a newer version wrote is changed or lost."""
    await rig.record(item("d-0", event("T-1")), item("d-00", event("T-2")))
    newer = rig.payments.documents["autopay:T-1"]
    newer |= {"schema": 2, "unheard_of": True}
    before = dict(newer)
    again = [item("d-1", refund("e-2", 300)), item("d-2", refund("e-2", 300, tx_id="T-2")), item("d-3", event("T-3"))]
    assert await rig.outcomes(*again) == [Failure.TOO_NEW, [UPDATED], [CREATED]]
    assert rig.payments.documents["autopay:T-1"] == before
