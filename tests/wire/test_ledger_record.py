"""Record over a real connection: proto in, proto out, every item on its own."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import error_pb2, money_pb2, payment_pb2, risk_pb2

from mesh.errors import Fault, Kind
from tests.fakes.ledger_items import NOW_MS, key_of
from tests.wire.record_ledger import Ledger, fact, item


async def test_an_item_is_recorded_and_answered(ledger: Ledger) -> None:
    """Disposition, outcome, status and version come back; the payment and the bytes are stored."""
    [result] = await ledger.record(item("d-1", fact()))
    assert result.disposition == ledger_pb2.DISPOSITION_RECORDED
    assert not result.HasField("error")
    [event] = result.events
    assert (event.tx_id, event.event_id, event.version) == ("T-1", "e-1", 1)
    assert event.outcome == ledger_pb2.OUTCOME_CREATED
    assert event.status == payment_pb2.PAYMENT_STATUS_SUCCESS
    payment = ledger.rig.payments.get("autopay:T-1")
    assert (payment.amount, payment.currency, payment.sender) == (1_000, "EUR", "payer")
    assert ledger.rig.deliveries.documents[key_of(b"d-1")]["headers"] == {"user-agent": b"\xff"}


async def test_a_duplicate_and_a_conflict_are_told_apart(ledger: Ledger) -> None:
    """The same facts again are DUPLICATE; other facts under the same id are CONFLICT and name what differs."""
    await ledger.record(item("d-1", fact()))
    other = money_pb2.Money(minor_units=2_000, currency="EUR", exponent=2)
    same, differs = await ledger.record(item("d-2", fact()), item("d-3", fact(amount=other)))
    assert same.events[0].outcome == ledger_pb2.OUTCOME_DUPLICATE
    assert differs.disposition == ledger_pb2.DISPOSITION_CONFLICT
    assert (differs.events[0].conflict_field, differs.events[0].version) == ("event_id", 1)


async def test_an_event_without_an_id_is_known_by_its_facts(ledger: Ledger) -> None:
    """A repeat of the same facts at another time is the same event; other facts are another one."""
    first, later = fact(event_id=""), fact(event_id="", event_time_ms=NOW_MS + 60_000)
    pending = fact(event_id="", kind=payment_pb2.EVENT_KIND_PENDING)
    results = await ledger.record(item("d-1", first), item("d-2", later), item("d-3", pending))
    outcomes = [result.events[0].outcome for result in results]
    assert outcomes == [ledger_pb2.OUTCOME_CREATED, ledger_pb2.OUTCOME_DUPLICATE, ledger_pb2.OUTCOME_STALE]
    assert results[0].events[0].event_id == results[1].events[0].event_id != ""


async def test_a_risk_is_stored_and_answered_to_who_does_not_have_it(ledger: Ledger) -> None:
    """The score given with an event is the payment's; it travels back whole, but not to the call that brought it."""
    risk = risk_pb2.Risk(
        score=0.7,
        level=risk_pb2.RISK_LEVEL_HIGH,
        reasons=[risk_pb2.RiskReason(code="BURST", sentence="Many.", contribution=0.4, evidence={"n": "9"})],
        model_version="1",
    )
    scored = item("d-1", events=[ledger_pb2.RecordEvent(event=fact(), risk=risk)])
    [first] = await ledger.record(scored)
    assert not first.events[0].HasField("risk")
    [again] = await ledger.record(item("d-2", fact()))
    assert again.events[0].risk == risk


async def test_a_delivery_without_events_is_kept(ledger: Ledger) -> None:
    """What ingest could not map is stored with its disposition and the reason."""
    kept = item("d-1", disposition=ledger_pb2.DISPOSITION_UNPROCESSABLE, disposition_detail="amount: must be a number")
    [result] = await ledger.record(kept)
    assert result.disposition == ledger_pb2.DISPOSITION_UNPROCESSABLE
    assert ledger.rig.deliveries.documents[key_of(b"d-1")]["detail"] == "amount: must be a number"


async def test_an_empty_batch_is_refused(ledger: Ledger) -> None:
    """A batch without items is INVALID, by field."""
    with pytest.raises(Fault) as raised:
        await ledger.record()
    assert (raised.value.kind, raised.value.fields[0].field) == (Kind.INVALID, "items")


async def test_a_batch_over_256_items_is_refused(ledger: Ledger) -> None:
    """A batch that is too large is refused whole, with the limit, and nothing of it is stored; 256 are taken."""
    items = [item(f"d-{number}", fact(f"T-{number}")) for number in range(257)]
    with pytest.raises(Fault) as raised:
        await ledger.record(*items)
    assert (raised.value.kind, raised.value.reason) == (Kind.OUT_OF_RANGE, "TOO_LARGE")
    assert raised.value.metadata == {"limit": "256"}
    assert ledger.rig.payments.documents == {}
    assert len(await ledger.record(*items[:256])) == 256


async def test_what_can_not_be_stored_is_said_of_its_item_alone(ledger: Ledger) -> None:
    """Sums that no field holds are UNSTORABLE for their item, not retryable, and its neighbours are recorded."""
    poison = item("d-1", fact("T-1"), fact("T-1"))
    for place, stated in enumerate(poison.events):
        stated.event.object_id, stated.event.event_id = f"o-{place}", f"e-{place}"
        stated.event.amount.minor_units = 2**63 - 1
    poisoned, fine = await ledger.record(poison, item("d-2", fact("T-2")))
    assert poisoned.error.reason == error_pb2.ERROR_REASON_UNSTORABLE
    assert (poisoned.error.field, poisoned.error.retryable) == ("items[0]", False)
    assert fine.disposition == ledger_pb2.DISPOSITION_RECORDED


async def test_what_is_not_durable_is_said_of_every_item(ledger: Ledger) -> None:
    """When the write's outcome is unknown every item is UNAVAILABLE and may be sent again."""
    ledger.rig.payments.fail("insert_new")
    results = await ledger.record(item("d-1", fact("T-1")), item("d-2", fact("T-2")))
    for result in results:
        assert result.error.code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert result.error.reason == error_pb2.ERROR_REASON_NOT_DURABLE
        assert result.error.retryable
        assert result.disposition == ledger_pb2.DISPOSITION_UNSPECIFIED


async def test_what_is_contended_is_aborted_and_retryable(ledger: Ledger) -> None:
    """A payment that no read can settle is ABORTED for its item."""
    await ledger.record(item("d-1", fact()))
    ledger.rig.payments.hidden["autopay:T-1"] = 3
    [result] = await ledger.record(item("d-2", fact()))
    assert result.error.code == grpc.StatusCode.ABORTED.value[0]
    assert (result.error.reason, result.error.retryable) == (error_pb2.ERROR_REASON_CONTENDED, True)


async def test_why_a_payment_is_disputed_is_kept_and_identifies_nothing(ledger: Ledger) -> None:
    """The reason is stored with its event; the same event with another one, or with none as before, is a duplicate."""

    def disputed(reason: payment_pb2.DisputeReason) -> payment_pb2.PaymentEvent:
        return fact(
            event_id="e-2",
            kind=payment_pb2.EVENT_KIND_DISPUTE_OPENED,
            object_id="D-1",
            amount_fixed=False,
            dispute_reason=reason,
        )

    await ledger.record(item("d-1", fact()))
    await ledger.record(item("d-2", disputed(payment_pb2.DISPUTE_REASON_FRAUD)))
    reasons = (payment_pb2.DISPUTE_REASON_NOT_RECEIVED, payment_pb2.DISPUTE_REASON_UNSPECIFIED)
    again = await ledger.record(*(item(f"d-3{reason}", disputed(reason)) for reason in reasons))
    assert [result.events[0].outcome for result in again] == [ledger_pb2.OUTCOME_DUPLICATE] * 2
    stored = ledger.rig.payments.get("autopay:T-1").events[1].event
    assert stored.dispute_reason == payment_pb2.DISPUTE_REASON_FRAUD


async def test_calls_that_arrive_together_are_written_together(ledger: Ledger) -> None:
    """Forty concurrent calls cost a few writes, and each caller gets its own answers."""
    batches = [
        [item(f"d-{caller}-{number}", fact(f"T-{caller}-{number}")) for number in range(3)] for caller in range(40)
    ]
    answers = await asyncio.gather(*(ledger.record(*batch) for batch in batches))
    for caller, results in enumerate(answers):
        assert [result.events[0].tx_id for result in results] == [f"T-{caller}-{number}" for number in range(3)]
    assert len(ledger.rig.payments.calls) < 40
