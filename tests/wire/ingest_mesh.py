"""Ingest between a real client and real servers in place of insight and the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from autopay.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import delivery_pb2, payment_pb2, risk_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from mesh import tracing
from mesh.channel import call
from mesh.guarding import Handlers
from mesh.server import Server
from services.ingest.metrics import IngestMetrics
from tests.unit.ingest.bodies import UNSAMPLED, native_body

RISK = risk_pb2.Risk(
    score=0.4,
    level=risk_pb2.RISK_LEVEL_MEDIUM,
    reasons=[risk_pb2.RiskReason(code="NEW_RECEIVER", sentence="First payment to bob.", evidence={"n": "0"})],
    model_version="1",
)


class Ledger(ledger_pb2_grpc.LedgerServiceServicer):
    """Records everything as created, unless told otherwise."""

    def __init__(self) -> None:
        """Start empty."""
        self.items: list[ledger_pb2.RecordItem] = []
        self.calls = 0
        self.failing: grpc.StatusCode | None = None
        self.result_of: Callable[[ledger_pb2.RecordItem], ledger_pb2.RecordResult] = created
        self.lost_results = 0

    async def Record(
        self, request: ledger_pb2.RecordRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ledger_pb2.RecordResponse:
        """Answer as told."""
        self.calls += 1
        if self.failing is not None:
            await context.abort(self.failing, "As told.")
        self.items.extend(request.items)
        results = [self.result_of(item) for item in request.items]
        return ledger_pb2.RecordResponse(results=results[: len(results) - self.lost_results])


class Insight(insight_pb2_grpc.InsightServiceServicer):
    """Gives every event RISK, after a pause if told so."""

    def __init__(self) -> None:
        """Start prompt."""
        self.items: list[insight_pb2.ScoreItem] = []
        self.sizes: list[int] = []
        self.pause_s = 0.0
        self.lost_risks = 0

    async def Score(
        self, request: insight_pb2.ScoreRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> insight_pb2.ScoreResponse:
        """Answer as told."""
        self.sizes.append(len(request.items))
        self.items.extend(request.items)
        await asyncio.sleep(self.pause_s)
        return insight_pb2.ScoreResponse(risks=[RISK] * (len(request.items) - self.lost_risks))


class Mesh:
    """What a test of ingest talks to and looks into."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self.ledger = Ledger()
        self.insight = Insight()
        self.spans = InMemorySpanExporter()
        self.tracing = tracing.configure("ingest", exporter=self.spans)
        self.metrics = IngestMetrics(CollectorRegistry())
        self.channel: grpc.aio.Channel | None = None

    async def ingest(self, *deliveries: delivery_pb2.Delivery) -> list[ingest_pb2.IngestResult]:
        """Send one batch."""
        assert self.channel is not None
        method = ingest_pb2_grpc.IngestServiceStub(self.channel).Ingest
        request = ingest_pb2.IngestRequest(deliveries=deliveries)
        response: ingest_pb2.IngestResponse = await call(method, request, timeout_s=5)
        return list(response.results)


def created(item: ledger_pb2.RecordItem) -> ledger_pb2.RecordResult:
    """The result of an item nobody has seen before."""
    if not item.events:
        return ledger_pb2.RecordResult(disposition=item.disposition)
    outcomes = [
        ledger_pb2.EventOutcome(
            tx_id=stated.event.tx_id,
            event_id=stated.event.event_id or "h-1",
            outcome=ledger_pb2.OUTCOME_CREATED,
            status=payment_pb2.PAYMENT_STATUS_SUCCESS,
            version=1,
            risk=stated.risk if stated.HasField("risk") else None,
        )
        for stated in item.events
    ]
    return ledger_pb2.RecordResult(disposition=ledger_pb2.DISPOSITION_RECORDED, events=outcomes)


def delivery(
    body: bytes | None = None, *, name: str = "D-1", provider: str = "autopay", traceparent: str = UNSAMPLED
) -> delivery_pb2.Delivery:
    """A delivery as the edge sends it."""
    return delivery_pb2.Delivery(
        delivery_id=name,
        source=provider,
        provider=provider,
        body=native_body() if body is None else body,
        headers=[delivery_pb2.Header(name="user-agent", value=b"\xff")],
        key_id="current",
        received_at_ms=1_700_000_000_000,
        signed_at_ms=1_700_000_000_000,
        traceparent=traceparent,
    )


@asynccontextmanager
async def serving(service: str, add: Callable[[Handlers], None]) -> AsyncIterator[str]:
    """Serve on a free port and yield its address."""
    server = Server(services=[service], reflect=False)
    add(server.handlers)
    port = await server.start("127.0.0.1:0")
    await server.set_healthy(healthy=True)
    yield f"127.0.0.1:{port}"
    await server.drain(notice_s=0, grace_s=0)
