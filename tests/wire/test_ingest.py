"""IngestService over real gRPC."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest
from autopay.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import error_pb2, payment_pb2

from mesh import logs, tracing
from mesh.channel import open_channel
from mesh.errors import Fault, Kind
from providers import registry
from services.ingest import model
from services.ingest.adapters import insight_client, ledger_client
from services.ingest.adapters.event_message import encode
from services.ingest.intake import Budgets, Intake
from services.ingest.mappings import Mappings
from services.ingest.servicer import SERVICE, IngestServicer
from tests.unit.ingest.bodies import SAMPLED, UNSAMPLED, ThirdParty, native_body
from tests.wire.ingest_mesh import RISK, Mesh, delivery, serving


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    """Ingest as its composition root wires it, between its neighbours."""
    made = Mesh()
    async with AsyncExitStack() as running:
        insight_at = await running.enter_async_context(
            serving(
                insight_client.SERVICE,
                lambda handlers: insight_pb2_grpc.add_InsightServiceServicer_to_server(made.insight, handlers),
            )
        )
        ledger_at = await running.enter_async_context(
            serving(
                ledger_client.SERVICE,
                lambda handlers: ledger_pb2_grpc.add_LedgerServiceServicer_to_server(made.ledger, handlers),
            )
        )
        insight = await running.enter_async_context(open_channel(insight_at, service=insight_client.SERVICE))
        ledger = await running.enter_async_context(open_channel(ledger_at, service=ledger_client.SERVICE))
        await asyncio.wait_for(asyncio.gather(insight.channel_ready(), ledger.channel_ready()), 5)
        intake = Intake(
            Mappings({**registry.load(), "partner": ThirdParty()}),
            encode,
            insight_client.InsightScorer(insight),
            ledger_client.LedgerClient(ledger),
            # Generous for a busy machine; the test of a late score waits longer still.
            budgets=Budgets(score_s=0.5, record_s=1.3),
            tracing=made.tracing,
            metrics=made.metrics,
            log=logs.configure("ingest", "info", io.TextIOWrapper(io.BytesIO())),
        )
        ingest_at = await running.enter_async_context(
            serving(
                SERVICE,
                lambda handlers: ingest_pb2_grpc.add_IngestServiceServicer_to_server(IngestServicer(intake), handlers),
            )
        )
        made.channel = await running.enter_async_context(open_channel(ingest_at, service=SERVICE))
        await asyncio.wait_for(made.channel.channel_ready(), 5)
        yield made
    made.tracing.shutdown()


async def test_a_delivery_reaches_insight_and_the_ledger_and_is_answered(mesh: Mesh) -> None:
    """One score call, one record call with the exact delivery, event and risk, and the ledger's outcome."""
    sent = delivery(native_body(event_id="E-1", timestamp=1_700_000_000, description="May"))
    (result,) = await mesh.ingest(sent)
    event = payment_pb2.PaymentEvent(
        tx_id="T-1",
        event_id="E-1",
        kind=payment_pb2.EVENT_KIND_CAPTURED,
        amount={"minor_units": 1050, "currency": "EUR", "exponent": 2},
        basis=payment_pb2.AMOUNT_BASIS_CUMULATIVE,
        amount_fixed=True,
        sender_account="alice",
        receiver_account="bob",
        event_time_ms=1_700_000_000_000,
        event_time_signed=True,
        description="May",
    )
    assert mesh.ledger.items == [
        ledger_pb2.RecordItem(
            delivery_id="D-1",
            source="autopay",
            delivery=sent,
            events=[ledger_pb2.RecordEvent(event=event, risk=RISK)],
            traceparent=UNSAMPLED,
        )
    ]
    assert mesh.insight.items == [
        insight_pb2.ScoreItem(source="autopay", event=event, received_at_ms=1_700_000_000_000, traceparent=UNSAMPLED)
    ]
    assert result == ingest_pb2.IngestResult(
        disposition=ledger_pb2.DISPOSITION_RECORDED,
        durable=True,
        events=[
            ingest_pb2.EventResult(
                tx_id="T-1",
                event_id="E-1",
                outcome=ledger_pb2.OUTCOME_CREATED,
                status=payment_pb2.PAYMENT_STATUS_SUCCESS,
                version=1,
                risk=RISK,
            )
        ],
    )


async def test_poison_among_255_good_ones_fails_alone(mesh: Mesh) -> None:
    """One call to each neighbour serves the whole batch, and only the poison is refused."""
    batch = [delivery(native_body(tx_id=f"T-{place}"), name=f"D-{place}") for place in range(256)]
    batch[100] = delivery(native_body(amount=2**70, tx_id="a\0b", sender_account="\ud800"), name="D-100")
    results = await mesh.ingest(*batch)
    assert (mesh.ledger.calls, mesh.insight.sizes) == (1, [255])
    wrong = results.pop(100)
    assert [error.field for error in wrong.field_errors] == ["tx_id", "amount", "sender_account"]
    assert (wrong.disposition, wrong.durable) == (ledger_pb2.DISPOSITION_UNPROCESSABLE, False)
    assert wrong.reason == error_pb2.ERROR_REASON_INVALID_FIELD
    assert [result.events[0].tx_id for result in results] == [f"T-{n}" for n in range(256) if n != 100]
    assert all(result.durable for result in results)


async def test_a_late_score_does_not_delay_the_record(mesh: Mesh) -> None:
    """The event is recorded without a risk, and counted as late."""
    mesh.insight.pause_s = 5
    (result,) = await mesh.ingest(delivery())
    assert result.durable
    assert not result.events[0].HasField("risk")
    assert mesh.metrics.scores.snapshot() == {("timeout",): 1}


async def test_a_wrong_number_of_risks_is_none(mesh: Mesh) -> None:
    """Risks that can't be told apart belong to nobody."""
    mesh.insight.lost_risks = 1
    results = await mesh.ingest(delivery(), delivery(native_body(tx_id="T-2"), name="D-2"))
    assert [result.events[0].HasField("risk") for result in results] == [False, False]


async def test_more_events_than_a_score_call_takes_are_scored_in_several(mesh: Mesh) -> None:
    """Deliveries of many events still get a risk for each."""
    batch = [delivery(b"100", provider="partner", name=f"D-{place}") for place in range(3)]
    results = await mesh.ingest(*batch)
    assert sorted(mesh.insight.sizes) == [44, 256]
    assert all(event.HasField("risk") for result in results for event in result.events)


async def test_third_party_deliveries_without_events_are_kept(mesh: Mesh) -> None:
    """One that means nothing is ignored, one that is wrong is unprocessable with its reason; both durable."""
    ignored, unprocessable = await mesh.ingest(
        delivery(b"0", provider="partner"), delivery(b"?", provider="partner", name="D-2")
    )
    assert (ignored.disposition, ignored.durable) == (ledger_pb2.DISPOSITION_IGNORED, True)
    assert (unprocessable.disposition, unprocessable.durable) == (ledger_pb2.DISPOSITION_UNPROCESSABLE, True)
    assert [error.field for error in unprocessable.field_errors] == ["body"]
    assert [item.disposition_detail for item in mesh.ledger.items] == ["", "body: must be a number"]
    assert not mesh.insight.sizes


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ledger_pb2.RecordError(reason=error_pb2.ERROR_REASON_CONTENDED), error_pb2.ERROR_REASON_CONTENDED),
        (ledger_pb2.RecordError(reason=error_pb2.ERROR_REASON_UNSTORABLE), error_pb2.ERROR_REASON_UNSTORABLE),
        (ledger_pb2.RecordError(code=14), error_pb2.ERROR_REASON_NOT_DURABLE),
        (None, error_pb2.ERROR_REASON_NOT_DURABLE),
    ],
)
async def test_an_item_the_ledger_did_not_record_is_not_durable(
    mesh: Mesh, error: ledger_pb2.RecordError | None, reason: int
) -> None:
    """Its reason is passed on; a result that says nothing is no success."""
    mesh.ledger.result_of = lambda item: ledger_pb2.RecordResult(error=error)
    (result,) = await mesh.ingest(delivery())
    assert (result.disposition, result.durable, result.reason) == (0, False, reason)


async def test_a_conflict_is_durable_and_named(mesh: Mesh) -> None:
    """It is in quarantine, and the answer says which field contradicts."""
    outcome = ledger_pb2.EventOutcome(tx_id="T-1", outcome=ledger_pb2.OUTCOME_CONFLICT, conflict_field="amount")
    conflict = ledger_pb2.RecordResult(disposition=ledger_pb2.DISPOSITION_CONFLICT, events=[outcome])
    mesh.ledger.result_of = lambda item: conflict
    (result,) = await mesh.ingest(delivery())
    assert (result.durable, result.reason) == (True, error_pb2.ERROR_REASON_CONFLICT)
    assert result.events[0].conflict_field == "amount"


@pytest.mark.parametrize(
    ("code", "kind"),
    [(grpc.StatusCode.UNAVAILABLE, Kind.UNAVAILABLE), (grpc.StatusCode.RESOURCE_EXHAUSTED, Kind.EXHAUSTED)],
)
async def test_a_failed_record_call_is_the_calls_failure(mesh: Mesh, code: grpc.StatusCode, kind: Kind) -> None:
    """The edge owns the retry, so it must see what the ledger said."""
    mesh.ledger.failing = code
    with pytest.raises(Fault) as raised:
        await mesh.ingest(delivery())
    assert (raised.value.kind, raised.value.retryable) == (kind, True)


async def test_a_wrong_number_of_results_is_the_calls_failure(mesh: Mesh) -> None:
    """Results that can't be told apart acknowledge nothing."""
    mesh.ledger.lost_results = 1
    with pytest.raises(Fault) as raised:
        await mesh.ingest(delivery(), delivery(name="D-2"))
    assert raised.value.kind is Kind.INTERNAL


async def test_an_empty_batch_is_invalid(mesh: Mesh) -> None:
    """The field is named."""
    with pytest.raises(Fault) as raised:
        await mesh.ingest()
    assert (raised.value.kind, raised.value.fields[0].field) == (Kind.INVALID, "deliveries")


async def test_the_spans_of_a_batch_hang_below_the_edges(mesh: Mesh) -> None:
    """The sampled delivery of a batch has one span here, and insight and the ledger are told to go below it."""
    await mesh.ingest(delivery(), delivery(native_body(tx_id="T-2"), name="D-2", traceparent=SAMPLED))
    mesh.tracing.shutdown()
    (span,) = mesh.spans.get_finished_spans()
    below = tracing.traceparent_of(span)  # type: ignore[arg-type]  # a finished span still has its context
    assert [item.traceparent for item in mesh.ledger.items] == [UNSAMPLED, below]
    assert [item.traceparent for item in mesh.insight.items] == [UNSAMPLED, below]


def test_the_numbers_of_the_model_are_those_of_the_contract() -> None:
    """A disposition crosses the wire as its number."""
    numbers = {f"DISPOSITION_{name.name}": name.value for name in model.Disposition}
    assert numbers == dict(ledger_pb2.Disposition.items())
