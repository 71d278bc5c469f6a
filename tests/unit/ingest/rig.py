"""An intake with fakes on every port."""

from __future__ import annotations

import asyncio
import io
from decimal import Decimal

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from mesh import logs, tracing
from providers.autopay import PROVIDER
from providers.contract import Event
from services.ingest.intake import Budgets, Intake
from services.ingest.mappings import Mappings
from services.ingest.metrics import IngestMetrics
from services.ingest.model import Answer, Delivery, EventMessage
from tests.fakes.ledger import FakeLedger
from tests.fakes.scorer import FakeScorer
from tests.unit.ingest.bodies import ThirdParty


class Rig:
    """An intake with fakes on every port."""

    def __init__(self, *, amount_max: Decimal | None = None) -> None:
        """Wire it."""
        self.ledger = FakeLedger()
        self.scorer = FakeScorer()
        self.metrics = IngestMetrics(CollectorRegistry())
        self.log = io.TextIOWrapper(io.BytesIO())
        self.spans = InMemorySpanExporter()
        self.tracing = tracing.configure("ingest", exporter=self.spans)
        self.encode_error: Exception | None = None
        self.intake = Intake(
            Mappings({"autopay": PROVIDER, "partner": ThirdParty()}),
            self._encode,
            self.scorer,
            self.ledger,
            budgets=Budgets(score_s=0.025, record_s=1.3, amount_max=amount_max),
            tracing=self.tracing,
            metrics=self.metrics,
            log=logs.configure("ingest", "debug", self.log),
        )

    async def ingest(self, *deliveries: Delivery, timeout_s: float = 2.0) -> list[Answer]:
        """Take one batch in."""
        return list(await self.intake.ingest(deliveries, timeout_s=timeout_s))

    async def logged(self) -> str:
        """Every line logged so far."""
        # The sink writes once per turn of the loop.
        await asyncio.sleep(0)
        self.log.seek(0)
        return self.log.read()

    def _encode(self, event: Event) -> EventMessage:
        if self.encode_error is not None:
            raise self.encode_error
        return EventMessage(event)
