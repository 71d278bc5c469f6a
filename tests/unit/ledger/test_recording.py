"""What is answered to a delivery: new, known, changing, late, contradicting, or nothing to do with payments."""

from __future__ import annotations

import pytest

from services.ledger.model import Disposition, EventKind, Outcome, Status
from tests.fakes.ledger_items import delivery, event, item, key_of, refund, stated, unmapped
from tests.unit.ledger.rig import Rig


@pytest.fixture
def rig() -> Rig:
    """A recorder on empty stores."""
    return Rig()


async def test_a_first_event_creates_its_payment(rig: Rig) -> None:
    """A new payment is stored with its event and its delivery, and answered as CREATED at version 1."""
    [result] = await rig.record(item("d-1", event("T-1", "e-1"), body=b"{1}"))
    assert result.disposition is Disposition.RECORDED
    [answer] = result.events
    assert (answer.tx_id, answer.event_id) == ("T-1", "e-1")
    assert (answer.outcome, answer.status, answer.version) == (Outcome.CREATED, Status.SUCCESS, 1)
    payment = rig.payments.get("autopay:T-1")
    assert (payment.version, payment.amount, payment.status) == (1, 1_000, Status.SUCCESS)
    assert payment.events[0].delivery == key_of(b"{1}")
    assert payment.events[0].delivery_id == "d-1"
    stored = rig.deliveries.documents[key_of(b"{1}")]
    assert (stored["body"], stored["disposition"], stored["count"]) == (b"{1}", "recorded", 1)
    assert stored["transactions"] == ["autopay:T-1"]


async def test_a_new_payment_costs_two_writes_and_no_read(rig: Rig) -> None:
    """The hot path inserts payment and delivery, and reads nothing."""
    await rig.record(item("d-1", event()))
    assert (rig.payments.calls, rig.deliveries.calls) == (["insert_new"], ["insert_new"])


async def test_a_known_event_in_another_delivery_is_a_duplicate(rig: Rig) -> None:
    """The same event again, signed anew, changes nothing, is answered as DUPLICATE, and its bytes are kept as such."""
    await rig.record(item("d-1", event(), body=b"{1}"))
    before = rig.payments.get("autopay:T-1")
    [result] = await rig.record(item("d-2", event(time_ms=5), body=b"{2}"))
    assert (result.disposition, result.events[0].outcome) == (Disposition.DUPLICATE, Outcome.DUPLICATE)
    assert result.events[0].version == 1
    assert rig.payments.get("autopay:T-1") == before
    assert rig.deliveries.documents[key_of(b"{1}")]["disposition"] == "recorded"
    assert rig.deliveries.documents[key_of(b"{2}")]["disposition"] == "duplicate"


async def test_the_same_bytes_again_are_counted_and_not_stored_again(rig: Rig) -> None:
    """A repeated delivery grows a count, says when it came last, and leaves what was said of it."""
    await rig.record(item("d-1", event(), body=b"{}"))
    rig.now_ms += 5_000
    assert await rig.outcomes(item("d-2", event(), body=b"{}")) == [[Outcome.DUPLICATE]]
    [stored] = rig.deliveries.documents.values()
    assert (stored["count"], stored["delivery_id"], stored["disposition"]) == (2, "d-1", "recorded")
    assert int(stored["last_seen_at"]) - int(stored["recorded_at"]) == 5_000


async def test_the_same_bytes_in_two_requests_at_once_stay_recorded() -> None:
    """Whichever of two requests stores the bytes: those that brought the fact are kept as recorded, not as a repeat."""
    rig = Rig()
    await rig.record(item("d-1", event(), body=b"{1}"))
    # The other request's fact got there first, its bytes did not yet.
    del rig.deliveries.documents[key_of(b"{1}")]
    [result] = await rig.record(item("d-2", event(), body=b"{1}"))
    assert result.events[0].outcome is Outcome.DUPLICATE
    assert rig.deliveries.documents[key_of(b"{1}")]["disposition"] == "recorded"


async def test_an_event_that_changes_the_payment_updates_it(rig: Rig) -> None:
    """A refund after the capture is UPDATED, with the new status and version."""
    await rig.record(item("d-1", event()))
    rig.now_ms += 1_000
    [result] = await rig.record(item("d-2", refund("e-2", 300)))
    [answer] = result.events
    assert (answer.outcome, answer.status, answer.version) == (Outcome.UPDATED, Status.PARTIALLY_REFUNDED, 2)
    payment = rig.payments.get("autopay:T-1")
    assert (payment.version, payment.totals.refunded, len(payment.events)) == (2, 300, 2)
    assert payment.updated_at_ms - payment.recorded_at_ms == 1_000


async def test_an_event_that_changes_nothing_is_kept_as_stale(rig: Rig) -> None:
    """A pending notice after the capture is a fact that is stored, and the status stays."""
    await rig.record(item("d-1", event()))
    [result] = await rig.record(item("d-2", event("T-1", "e-2", kind=EventKind.PENDING)))
    assert result.disposition is Disposition.RECORDED
    [answer] = result.events
    assert (answer.outcome, answer.status, answer.version) == (Outcome.STALE, Status.SUCCESS, 2)
    assert len(rig.payments.get("autopay:T-1").events) == 2


@pytest.mark.parametrize(
    ("fields", "differs"),
    [
        ({"event_id": "e-1", "amount": 2_000}, "event_id"),
        ({"event_id": "e-2", "amount": 2_000}, "amount"),
        ({"event_id": "e-2", "currency": "USD"}, "currency"),
        ({"event_id": "e-2", "sender": "thief"}, "sender_account"),
        ({"event_id": "e-2", "receiver": "other"}, "receiver_account"),
    ],
)
async def test_a_contradiction_is_a_conflict_and_is_kept_for_a_person(
    rig: Rig, fields: dict[str, str], differs: str
) -> None:
    """Another fact under the same event id, or another immutable fact, changes nothing and goes to quarantine."""
    await rig.record(item("d-1", event()))
    before = rig.payments.get("autopay:T-1")
    [result] = await rig.record(item("d-2", event("T-1", **fields), body=b"{2}"))
    assert result.disposition is Disposition.CONFLICT
    [answer] = result.events
    assert (answer.outcome, answer.conflict_field, answer.version) == (Outcome.CONFLICT, differs, 1)
    assert answer.status is Status.SUCCESS
    assert rig.payments.get("autopay:T-1") == before
    assert rig.deliveries.documents[key_of(b"{2}")]["disposition"] == "conflict"


async def test_known_bytes_that_contradict_become_a_conflict(rig: Rig) -> None:
    """Bytes whose first recording got lost half-way are put right when they turn out to contradict."""
    body = b"{2}"
    rig.payments.fail("insert_new")
    await rig.record(item("d-2", event("T-1", amount=2_000), body=body))
    rig.payments.heal()
    rig.payments.documents.clear()
    await rig.record(item("d-1", event()))
    assert rig.deliveries.documents[key_of(body)]["disposition"] == "recorded"
    assert await rig.outcomes(item("d-2", event("T-1", amount=2_000), body=body)) == [[Outcome.CONFLICT]]
    assert rig.deliveries.documents[key_of(body)]["disposition"] == "conflict"


@pytest.mark.parametrize("first", [Outcome.CREATED, Outcome.UPDATED, Outcome.STALE])
async def test_the_same_delivery_id_again_gets_its_first_answer(rig: Rig, first: Outcome) -> None:
    """A retry of a delivery whose answer was lost is told what it would have been told, and nothing is stored twice."""
    events = {
        Outcome.CREATED: event(),
        Outcome.UPDATED: refund("e-2", 300),
        Outcome.STALE: event("T-1", "e-3", kind=EventKind.PENDING),
    }
    if first is not Outcome.CREATED:
        await rig.record(item("d-0", event()))
    again = item("d-1", events[first])
    assert await rig.outcomes(again) == [[first]]
    stored = rig.payments.get("autopay:T-1")
    await rig.record(item("d-9", refund("e-9", 100)))
    version = rig.payments.get("autopay:T-1").version
    [result] = await rig.record(again)
    assert result.disposition is Disposition.RECORDED
    assert (result.events[0].outcome, result.events[0].version) == (first, version)
    assert len(rig.payments.get("autopay:T-1").events) == len(stored.events) + 1


async def test_sources_are_namespaces(rig: Rig) -> None:
    """The same ids and the same bytes under another source are another payment and another delivery."""
    items = [item("d-1", event(), body=b"{}", source=source) for source in ("autopay", "partner")]
    assert await rig.outcomes(*items) == [[Outcome.CREATED], [Outcome.CREATED]]
    assert set(rig.payments.documents) == {"autopay:T-1", "partner:T-1"}
    assert set(rig.deliveries.documents) == {key_of(b"{}"), key_of(b"{}", "partner")}


async def test_an_event_may_be_stated_without_a_delivery(rig: Rig) -> None:
    """What an internal service states is recorded like anything else; there are no bytes to keep."""
    assert await rig.outcomes(stated("d-1", event())) == [[Outcome.CREATED]]
    assert await rig.outcomes(stated("d-2", event())) == [[Outcome.DUPLICATE]]
    assert rig.payments.get("autopay:T-1").events[0].delivery == ""
    assert rig.deliveries.calls == []


@pytest.mark.parametrize("disposition", [Disposition.IGNORED, Disposition.UNPROCESSABLE, Disposition.WAITING])
async def test_a_delivery_without_events_is_kept_as_its_sender_says(rig: Rig, disposition: Disposition) -> None:
    """What means nothing, can't be read or has to wait is durable as such, with the reason, and makes no payment."""
    [result] = await rig.record(unmapped("d-1", disposition, body=b"{}", detail="type: unknown"))
    assert (result.disposition, result.events, result.failure) == (disposition, (), None)
    stored = rig.deliveries.documents[key_of(b"{}")]
    assert (stored["disposition"], stored["detail"]) == (disposition.name.lower(), "type: unknown")
    assert rig.payments.documents == {}


async def test_risk_is_stored_with_the_payment_and_is_no_part_of_the_fact(rig: Rig) -> None:
    """Two deliveries of one event with other scores are duplicates, and the first score stays."""
    low, high = ({"score": score, "level": "low", "reasons": [], "model_version": "1"} for score in (0.1, 0.9))
    await rig.record(item("d-1", event(risk=low)))
    [result] = await rig.record(item("d-2", event(risk=high)))
    assert result.events[0].outcome is Outcome.DUPLICATE
    assert result.events[0].risk == low


async def test_everything_about_the_delivery_is_kept(rig: Rig) -> None:
    """Bytes, headers, key id, times and trace of what arrived are stored as they came."""
    arrived = delivery(
        b"\x00\xff",
        provider="adyen",
        headers=(("user-agent", b"\xff\x00"),),
        key_id="k9",
        received_at_ms=7,
        signed_at_ms=5,
        traceparent="00-1-2-01",
    )
    await rig.record(item("d-1", event(), delivery=arrived))
    [stored] = rig.deliveries.documents.values()
    assert (stored["body"], stored["provider"], stored["headers"]) == (
        b"\x00\xff",
        "adyen",
        {"user-agent": b"\xff\x00"},
    )
    assert (stored["key_id"], stored["traceparent"], stored["delivery_id"]) == ("k9", "00-1-2-01", "d-1")
    assert (int(stored["received_at"]), int(stored["signed_at"]), stored["schema"]) == (7, 5, 1)
