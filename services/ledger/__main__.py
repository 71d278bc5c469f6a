"""The ledger's composition root: its life from settings to the end of its last call."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import structlog
from autopay.ledger.v1 import ledger_pb2_grpc
from prometheus_client import CollectorRegistry

from mesh import identity, logs, tracing
from mesh.callers import admission
from mesh.lifecycle import run, stop_on_signal
from mesh.metrics import BatchMetrics, RpcMetrics, measure_process, serve_metrics
from mesh.server import Server
from mesh.telemetry import Telemetry
from services.ledger.adapters import mongo
from services.ledger.adapters.change_feed import MongoChangeFeed
from services.ledger.adapters.migrations import Migrator
from services.ledger.adapters.payment_messages import render
from services.ledger.adapters.retention import Retention
from services.ledger.adapters.steps import steps
from services.ledger.change_hub import ChangeHub
from services.ledger.composition import databases_of, keys_of, recorder_of, servicer_of
from services.ledger.intake import Intake
from services.ledger.metrics import LedgerMetrics
from services.ledger.servicer import SERVICE
from services.ledger.settings import LedgerSettings
from services.ledger.spans import SpanMaker
from services.ledger.watching import Watching

_RETRY_S_MAX = 1.0
_PING_S_MAX = 1.0
_PING_PAUSE_S = 2.0


async def serve(settings: LedgerSettings) -> None:
    """Run the ledger until it is told to stop."""
    registry = CollectorRegistry()
    told = Telemetry("ledger", registry)
    log = logs.configure("ledger", settings.log_level, also=told.lines)
    traces = tracing.configure("ledger")
    own = identity.of(settings)
    measure_process(own, registry)
    admitted = admission(own, "ledger", service=SERVICE, callers=settings.callers, writers=settings.writers)
    databases = databases_of(settings)
    keys = keys_of(settings)
    feed = MongoChangeFeed(databases.changes)
    hub = ChangeHub(feed, render)
    batches, metrics = BatchMetrics(registry), LedgerMetrics(registry)
    intake = Intake(
        recorder_of(databases.writes, settings, SpanMaker(traces, metrics), keys),
        budget_s=settings.write_budget_s,
        inflight_max=settings.inflight_max,
        observer=batches,
        written=metrics,
    )
    batches.watch(intake.queue)
    watching = Watching(feed, hub, render)
    server = Server(
        services=[SERVICE],
        reflect=not settings.production,
        streamed=["Record"],
        metrics=RpcMetrics(registry),
        admission=admitted,
    )
    servicer = servicer_of(settings, databases, intake=intake, watching=watching, keys=keys, log=log)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(servicer, server.handlers)
    stop = stop_on_signal()
    port = await server.start(settings.bind)
    await server.start_health(settings.health_bind)
    serve_metrics(settings.metrics_bind, registry)
    log.info("listening", address=f"{settings.bind.rpartition(':')[0]}:{port}")
    retention = Retention(days=settings.delivery_retention_days)
    migrator = Migrator(databases.patient, steps(retention=retention), owner=secrets.token_hex(8))
    ready = asyncio.create_task(_become_ready(databases.patient, migrator, server, log))
    reporting = asyncio.create_task(_report_mongo(databases.writes, server))
    await stop.wait()
    ready.cancel()
    reporting.cancel()
    await hub.close()
    await server.drain(notice_s=settings.drain_notice_s, grace_s=settings.drain_grace_s)
    await intake.close(grace_s=settings.drain_grace_s)
    databases.close()
    traces.shutdown()
    log.info("stopped")
    told.shutdown()


async def _become_ready(
    database: mongo.Database, migrator: Migrator, server: Server, log: structlog.typing.FilteringBoundLogger
) -> None:
    """Wait for MongoDB and for what it lacks, take calls, then make what can be made meanwhile."""

    async def prepare() -> None:
        await mongo.check(database.client)
        await migrator.make_ready()

    await _until_done(prepare, log)
    await server.set_healthy(healthy=True)
    log.info("ready")
    await _until_done(migrator.finish, log)
    database.client.close()


async def _report_mongo(database: mongo.Database, server: Server) -> None:
    """Say every few seconds whether MongoDB answers, for the monitoring pages; calls are taken either way."""
    while True:
        try:
            await asyncio.wait_for(database.command("ping"), _PING_S_MAX)
        except (mongo.PyMongoError, TimeoutError):
            await server.report("mongodb", healthy=False)
        else:
            await server.report("mongodb", healthy=True)
        await asyncio.sleep(_PING_PAUSE_S)


async def _until_done(work: Callable[[], Awaitable[None]], log: structlog.typing.FilteringBoundLogger) -> None:
    pause_s, said = 0.05, ""
    while True:
        try:
            await work()
            return
        except Exception as error:  # noqa: BLE001 - also of a bug in a migration, whoever waits for readiness learns
            trouble = error
        # The same trouble is said once, not at every try.
        if type(trouble).__name__ != said:
            said = type(trouble).__name__
            if isinstance(trouble, (mongo.PyMongoError, ValueError)):
                log.warning("mongo is not usable yet, trying on", **logs.error_fields(trouble))
            else:
                log.error("a migration failed, trying on", exc_info=trouble)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _RETRY_S_MAX)


def main() -> None:
    """Start the ledger with the settings of the environment."""
    run("ledger", lambda: serve(LedgerSettings.load()), serves_calls=True)


if __name__ == "__main__":
    main()
