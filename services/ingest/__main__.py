"""Ingest's composition root."""

from __future__ import annotations

import asyncio

from autopay.ingest.v1 import ingest_pb2_grpc
from prometheus_client import CollectorRegistry, start_http_server
from structlog.typing import FilteringBoundLogger

from mesh import identity, logs, tracing
from mesh.callers import admission
from mesh.channel import open_channel
from mesh.lifecycle import run, stop_on_signal
from mesh.metrics import RpcMetrics, measure_process
from mesh.server import Server
from mesh.telemetry import Telemetry
from providers import registry
from services.ingest.adapters import insight_client, ledger_client, ledger_inbox
from services.ingest.adapters.event_message import encode
from services.ingest.intake import Budgets, Intake
from services.ingest.mappings import Mappings
from services.ingest.metrics import IngestMetrics
from services.ingest.redriving import Redriver
from services.ingest.servicer import SERVICE, IngestServicer
from services.ingest.settings import IngestSettings


async def serve(settings: IngestSettings) -> None:
    """Run ingest until it is told to stop."""
    metrics = CollectorRegistry()
    told = Telemetry("ingest", metrics)
    log = logs.configure("ingest", settings.log_level, also=told.lines)
    traces = tracing.configure("ingest")
    own = identity.of(settings)
    measure_process(own, metrics)
    admitted = admission(own, "ingest", service=SERVICE, callers=settings.callers, writers=settings.writers)
    stop = stop_on_signal()
    async with (
        open_channel(settings.insight_target, service=insight_client.SERVICE, identity=own) as insight,
        open_channel(settings.ledger_target, service=ledger_client.SERVICE, identity=own) as ledger,
    ):
        intake = Intake(
            Mappings(registry.load(), configuration=settings.sources),
            encode,
            insight_client.InsightScorer(insight),
            ledger_client.LedgerClient(ledger),
            budgets=Budgets(
                score_s=settings.score_budget_ms / 1000,
                record_s=settings.record_budget_s,
                amount_max=settings.amount_max,
            ),
            tracing=traces,
            metrics=IngestMetrics(metrics),
            log=log,
        )
        server = Server(
            services=[SERVICE],
            reflect=not settings.production,
            streamed=["Ingest"],
            metrics=RpcMetrics(metrics),
            admission=admitted,
        )
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(IngestServicer(intake), server.handlers)
        port = await server.start(settings.bind)
        await server.start_health(settings.health_bind)
        if settings.metrics_bind:
            host, _, metrics_port = settings.metrics_bind.rpartition(":")
            start_http_server(int(metrics_port), host, metrics)
        await server.set_healthy(healthy=True)
        log.info("listening", address=f"{settings.bind.rpartition(':')[0]}:{port}")
        redriving = asyncio.create_task(_redrive(settings, ledger_inbox.LedgerInbox(ledger), intake, log))
        await stop.wait()
        redriving.cancel()
        await asyncio.wait([redriving])
        await server.drain(notice_s=settings.drain_notice_s, grace_s=settings.drain_grace_s)
    traces.shutdown()
    log.info("stopped")
    told.shutdown()


async def _redrive(
    settings: IngestSettings, inbox: ledger_inbox.LedgerInbox, intake: Intake, log: FilteringBoundLogger
) -> None:
    """Run what waits through again, for as long as this is not cancelled."""
    if settings.redrive:
        await Redriver(inbox, intake, log=log).run()


def main() -> None:
    """Start ingest with the settings of the environment."""
    run("ingest", lambda: serve(IngestSettings.load()), serves_calls=True)


if __name__ == "__main__":
    main()
