"""Events that come without their payment's id: found by an alias, kept until they can be, and never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.model import Disposition, Event, EventKind, Failure, Item, Outcome, Status, content_id
from tests.fakes.ledger_items import event, item, key_of, refund, stated
from tests.fakes.virtual_time import run_virtual
from tests.unit.ledger.rig import Rig

CREATED, DUPLICATE, UPDATED, UNRESOLVED = Outcome.CREATED, Outcome.DUPLICATE, Outcome.UPDATED, Outcome.UNRESOLVED
_UNSIGNED: dict[str, Any] = {"sender": "", "receiver": ""}


def aliased(event_id: str, *aliases: str, amount: int = 300) -> Event:
    """A refund that names its payment by aliases alone."""
    return refund(event_id, amount, tx_id="", object_id=event_id, aliases=aliases, **_UNSIGNED)


@pytest.fixture
def rig() -> Rig:
    """A recorder on empty stores."""
    return Rig()


def stored(rig: Rig, body: bytes) -> tuple[str, list[str]]:
    """A delivery's disposition, and the payments that it led to."""
    document = rig.deliveries.documents[key_of(body)]
    return document["disposition"], document["transactions"]


@pytest.mark.parametrize("alias", ["ch-1", "T-1"])
async def test_an_event_finds_its_payment_by_an_alias_or_its_id(rig: Rig, alias: str) -> None:
    """It is recorded as if it had come with the payment's id, and its other aliases are the payment's from then on."""
    await rig.record(item("d-1", event(aliases=("ch-1",))))
    [result] = await rig.record(item("d-2", aliased("r-1", alias, "re-1"), body=b"{2}"))
    [answer] = result.events
    assert (result.disposition, answer.tx_id, answer.event_id) == (Disposition.RECORDED, "T-1", "r-1")
    assert (answer.outcome, answer.status, answer.version) == (UPDATED, Status.PARTIALLY_REFUNDED, 2)
    assert stored(rig, b"{2}") == ("recorded", ["autopay:T-1"])
    payment = rig.payments.get("autopay:T-1")
    assert set(payment.aliases) == {"ch-1", "re-1", alias}
    assert await rig.outcomes(item("d-3", aliased("r-1", "re-1"))) == [[DUPLICATE]]


async def test_an_event_without_an_id_is_the_same_however_its_payment_is_named(rig: Rig) -> None:
    """The facts identify it, the payment's id among them: named or not, it is one event, and its repeat a duplicate."""
    await rig.record(item("d-1", event(aliases=("ch-1",))))

    def unnamed(**fields: Any) -> Event:
        # The id that the servicer gives an event without one.
        content = refund("", 300, **fields, **_UNSIGNED).content
        return refund(content_id(content), 300, **fields, **_UNSIGNED)

    by_alias, by_id = unnamed(tx_id="", aliases=("ch-1",)), unnamed(tx_id="T-1")
    assert await rig.outcomes(item("d-2", by_alias)) == [[UPDATED]]
    assert await rig.outcomes(item("d-3", by_id), item("d-4", by_alias)) == [[DUPLICATE], [DUPLICATE]]
    assert len(rig.payments.get("autopay:T-1").events) == 2


async def test_a_batch_without_such_events_reads_nothing(rig: Rig) -> None:
    """Nobody pays for what others send: aliases beside an id are stored, and looked up by nobody."""
    await rig.record(item("d-1", event(aliases=("ch-1",))), item("d-2", event("T-2")))
    assert (rig.payments.calls, rig.deliveries.calls) == (["insert_new"], ["insert_new"])


async def test_one_read_serves_a_batch_and_sees_what_the_batch_created(rig: Rig) -> None:
    """Payments of the same batch are found, even of the same delivery, and all are looked for at once."""
    both = item("d-1", event("T-1", aliases=("ch-1",)), aliased("r-1", "ch-1"))
    other = [item("d-2", aliased("r-2", "ch-2")), item("d-3", event("T-2", aliases=("ch-2",)))]
    assert await rig.outcomes(both, *other) == [[CREATED, UPDATED], [UPDATED], [CREATED]]
    assert rig.payments.calls.count("find_aliased") == 1
    assert rig.payments.get("autopay:T-2").totals.refunded == 300


async def test_what_is_not_found_waits_and_is_acknowledged(rig: Rig) -> None:
    """The bytes are kept as WAITING, the answer is durable, and once the payment is there the same item is recorded."""
    waiting = item("d-1", aliased("r-1", "ch-1"), body=b"{1}")
    [result] = await rig.record(waiting)
    assert (result.disposition, result.failure) == (Disposition.WAITING, None)
    assert [(each.outcome, each.tx_id, each.version) for each in result.events] == [(UNRESOLVED, "", 0)]
    assert stored(rig, b"{1}") == ("waiting", [])
    assert not rig.payments.documents
    await rig.record(item("d-2", event(aliases=("ch-1",))))
    assert await rig.outcomes(waiting) == [[UPDATED]]
    assert stored(rig, b"{1}") == ("recorded", ["autopay:T-1"])
    assert rig.deliveries.documents[key_of(b"{1}")]["count"] == 1


async def test_of_a_delivery_what_can_be_recorded_is(rig: Rig) -> None:
    """No fact waits for another: of three events two are recorded, the delivery names their payments, and it waits."""
    await rig.record(item("d-0", event("T-2", aliases=("ch-2",))))
    mixed = item("d-1", event("T-1"), aliased("r-1", "ch-1"), aliased("r-2", "ch-2"), body=b"{1}")
    [result] = await rig.record(mixed)
    assert result.disposition is Disposition.WAITING
    assert [each.outcome for each in result.events] == [CREATED, UNRESOLVED, UPDATED]
    assert stored(rig, b"{1}") == ("waiting", ["autopay:T-1", "autopay:T-2"])
    await rig.record(item("d-2", event("T-3", aliases=("ch-1",))))
    assert await rig.outcomes(mixed) == [[CREATED, UPDATED, UPDATED]]
    assert stored(rig, b"{1}") == ("recorded", ["autopay:T-1", "autopay:T-2", "autopay:T-3"])


async def test_two_payments_with_one_alias_are_left_to_a_person(rig: Rig) -> None:
    """An alias that is no longer one payment's names none: the delivery is unprocessable, and nothing is guessed."""
    await rig.record(item("d-1", event("T-1", aliases=("ch-1",))), item("d-2", event("T-2", aliases=("ch-1",))))
    [result] = await rig.record(item("d-3", aliased("r-1", "ch-1"), body=b"{3}"))
    assert (result.disposition, result.events[0].outcome) == (Disposition.UNPROCESSABLE, UNRESOLVED)
    document = rig.deliveries.documents[key_of(b"{3}")]
    assert (document["disposition"], document["detail"]) == (
        "unprocessable",
        "aliases: belong to more than one payment",
    )
    assert all(payment["version"] == 1 for payment in rig.payments.documents.values())


async def test_aliases_of_two_payments_are_ambiguous_together(rig: Rig) -> None:
    """Aliases that each lead to another payment contradict each other."""
    await rig.record(item("d-1", event("T-1", aliases=("ch-1",))), item("d-2", event("T-2", aliases=("ch-2",))))
    [result] = await rig.record(item("d-3", aliased("r-1", "ch-1", "ch-2")))
    assert result.disposition is Disposition.UNPROCESSABLE


async def test_a_source_is_a_namespace_of_aliases_too(rig: Rig) -> None:
    """Another source's payment with the same alias is not found."""
    await rig.record(item("d-1", event(aliases=("ch-1",)), source="partner"))
    [result] = await rig.record(item("d-2", aliased("r-1", "ch-1")))
    assert result.disposition is Disposition.WAITING


@pytest.mark.parametrize(("known", "failure"), [(0, Failure.UNRESOLVED), (2, Failure.AMBIGUOUS)])
async def test_without_bytes_to_keep_an_item_fails(rig: Rig, known: int, failure: Failure) -> None:
    """What a service states and nobody could run again is not acknowledged; its neighbours are recorded."""
    await rig.record(item("d-0", *[event(f"T-{number}", aliases=("ch-1",)) for number in range(known)] or [event()]))
    assert await rig.outcomes(stated("d-1", aliased("r-1", "ch-1")), stated("d-2", event("T-9"))) == [
        failure,
        [CREATED],
    ]


async def test_what_can_not_be_read_durably_is_not_acknowledged(rig: Rig) -> None:
    """Where nobody can say whether there is such a payment the item's outcome is unknown."""
    rig.payments.fail("find_aliased")
    assert await rig.outcomes(item("d-1", aliased("r-1", "ch-1"))) == [Failure.NOT_DURABLE]


async def test_a_contradiction_found_by_an_alias_is_a_conflict(rig: Rig) -> None:
    """Once its payment is known the event is judged like any other, and a person finds it with the payment's id."""
    await rig.record(item("d-1", event(aliases=("ch-1",)), refund("r-1", 500)))
    [result] = await rig.record(item("d-3", aliased("r-1", "ch-1", amount=300), body=b"{3}"))
    assert (result.disposition, result.events[0].conflict_field) == (Disposition.CONFLICT, "event_id")
    assert stored(rig, b"{3}") == ("conflict", ["autopay:T-1"])


# A payment known by three ids, each told by another event; two refunds and a lost dispute know it by only one of them.
_STORY: Sequence[Event] = (
    event("T-1", "e-1", kind=EventKind.AUTHORIZED, aliases=("pi-1",)),
    event("", "e-2", aliases=("pi-1", "ch-1")),
    aliased("r-1", "ch-1", amount=100),
    aliased("r-2", "ch-1", "re-2", amount=50),
    event("", "e-3", kind=EventKind.DISPUTE_OPENED, amount=20, amount_fixed=False, aliases=("re-2",), **_UNSIGNED),
    event("T-2", "e-1", aliases=("ch-2",)),
    aliased("r-9", "ch-2", amount=1),
)


async def _told(arrivals: Sequence[int], batch: int) -> Rig:
    """Record the story's events in an order and in batches, and what waits again until nothing does."""
    rig = Rig()
    items: list[Item] = [item(f"d-{number}", _STORY[number]) for number in arrivals]
    for start in range(0, len(items), batch):
        await rig.record(*items[start : start + batch])
        for _ in _STORY:
            waiting = [each for each in items if _waits(rig, each)]
            if waiting:
                await rig.record(*waiting)
    return rig


def _waits(rig: Rig, arrived: Item) -> bool:
    document = rig.deliveries.documents.get(key_of(arrived.delivery_id.encode()))
    return document is not None and document["disposition"] == "waiting"


def _state(rig: Rig) -> dict[str, Any]:
    payments = [rig.payments.get(key) for key in sorted(rig.payments.documents)]
    return {
        payment.id: (payment.status, payment.totals, payment.aliases, payment.amount, _ids(payment.events))
        for payment in payments
    }


def _ids(events: Sequence[Any]) -> list[tuple[str, str, bytes]]:
    return sorted((each.event.tx_id, each.event.event_id, each.event.content) for each in events)


@given(data=st.data(), batch=st.integers(1, 9))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_order_of_arrival_ends_in_the_same_state(data: st.DataObject, batch: int) -> None:
    """Whatever comes first and however it is batched and repeated, all is recorded once its payment can be told."""
    places = list(range(len(_STORY)))
    arrivals = data.draw(st.permutations(places + data.draw(st.lists(st.sampled_from(places), max_size=4))))

    async def both() -> tuple[Rig, Rig]:
        return await _told(places, 1), await _told(arrivals, batch)

    in_order, shuffled = run_virtual(both())
    assert _state(shuffled) == _state(in_order)
    assert _is_settled(shuffled)
    payment = shuffled.payments.get("autopay:T-1")
    assert (payment.totals.captured, payment.totals.refunded, payment.totals.disputed) == (1_000, 150, 20)


def _is_settled(rig: Rig) -> bool:
    return all(document["disposition"] in {"recorded", "duplicate"} for document in rig.deliveries.documents.values())
