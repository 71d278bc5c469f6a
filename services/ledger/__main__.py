"""The ledger's composition root."""

from __future__ import annotations

import asyncio
import secrets
import time

import structlog
from autopay.ledger.v1 import ledger_pb2_grpc
from prometheus_client import CollectorRegistry

from mesh import identity, logs, tracing
from mesh.callers import admission
from mesh.lifecycle import run, stop_on_signal
from mesh.metrics import BatchMetrics, RpcMetrics, measure_certificate, serve_metrics
from mesh.server import Server
from services.ledger.adapters import indexes, mongo
from services.ledger.adapters.change_feed import MongoChangeFeed
from services.ledger.adapters.mongo_deliveries import COLLECTION as DELIVERIES
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import COLLECTION as PAYMENTS
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.adapters.mongo_reads import MongoPaymentReads
from services.ledger.adapters.mongo_summaries import MongoSummaries
from services.ledger.adapters.payment_messages import render
from services.ledger.change_hub import ChangeHub
from services.ledger.intake import Intake
from services.ledger.paging import PageTokens
from services.ledger.reading import Reader
from services.ledger.recording import Recorder
from services.ledger.servicer import SERVICE, LedgerServicer
from services.ledger.settings import LedgerSettings
from services.ledger.spans import SpanMaker
from services.ledger.summarizing import Summarizer
from services.ledger.watching import Watching

_RETRY_S_MAX = 1.0


async def serve(settings: LedgerSettings) -> None:
    """Run the ledger until it is told to stop."""
    log = logs.configure("ledger", settings.log_level)
    traces = tracing.configure("ledger")
    registry = CollectorRegistry()
    own = identity.of(settings)
    measure_certificate(own, registry)
    admitted = admission(own, "ledger", service=SERVICE, callers=settings.callers, writers=settings.writers)
    # Writes, reads and the change stream have a client each: an idle stream must not hold a writer's thread.
    writes, changes = (_database(settings, settings.write_budget_s) for _ in range(2))
    reads = _database(settings, settings.read_budget_s)
    feed = MongoChangeFeed(changes)
    hub = ChangeHub(feed, render)
    intake = Intake(
        _recorder(writes, settings, traces),
        budget_s=settings.write_budget_s,
        inflight_max=settings.inflight_max,
        observer=BatchMetrics(registry),
    )
    payments = reads[PAYMENTS]
    page_key = settings.page_token_key.get_secret_value().encode() or secrets.token_bytes(32)
    servicer = LedgerServicer(
        intake=intake,
        reader=Reader(
            MongoPaymentReads(payments, budget_s=settings.read_budget_s), PageTokens(page_key), clock_ms=_clock_ms
        ),
        summarizer=Summarizer(MongoSummaries(payments, budget_s=settings.read_budget_s)),
        watching=Watching(feed, hub, render),
    )
    server = Server(
        services=[SERVICE], reflect=not settings.production, metrics=RpcMetrics(registry), admission=admitted
    )
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(servicer, server.raw)
    stop = stop_on_signal()
    port = await server.start(settings.bind)
    await server.start_health(settings.health_bind)
    serve_metrics(settings.metrics_bind, registry)
    log.info("listening", address=f"{settings.bind.rpartition(':')[0]}:{port}")
    ready = asyncio.create_task(_become_ready(writes, server, log))
    await stop.wait()
    ready.cancel()
    await hub.close()
    await server.drain(notice_s=settings.drain_notice_s, grace_s=settings.drain_grace_s)
    await intake.close(grace_s=settings.drain_grace_s)
    for database in (writes, reads, changes):
        database.client.close()
    traces.shutdown()
    log.info("stopped")


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _database(settings: LedgerSettings, budget_s: float) -> mongo.Database:
    client = mongo.connect(
        settings.mongo_url,
        pool_min=settings.mongo_pool_min,
        pool_max=settings.mongo_pool_max,
        budget_s=budget_s,
    )
    return mongo.database_of(client, settings.mongo_url)


def _recorder(database: mongo.Database, settings: LedgerSettings, traces: tracing.Tracing) -> Recorder:
    budget_s = settings.write_budget_s
    return Recorder(
        MongoPayments(mongo.durable(database, PAYMENTS, wtimeout_s=budget_s)),
        MongoDeliveries(mongo.durable(database, DELIVERIES, wtimeout_s=budget_s)),
        clock_ms=_clock_ms,
        spans=SpanMaker(traces),
    )


async def _become_ready(database: mongo.Database, server: Server, log: structlog.typing.FilteringBoundLogger) -> None:
    """Wait for MongoDB, make what is missing in it, then take calls."""
    pause_s, said = 0.05, ""
    while True:
        try:
            await mongo.check(database.client)
            await indexes.ensure(database)
        except (mongo.PyMongoError, ValueError) as error:
            # The same trouble is said once, not at every try.
            if type(error).__name__ != said:
                said = type(error).__name__
                log.warning("mongo is not usable yet, trying on", **logs.error_fields(error))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _RETRY_S_MAX)
        else:
            break
    await server.set_healthy(healthy=True)
    log.info("ready")


def main() -> None:
    """Start the ledger with the settings of the environment."""
    run("ledger", lambda: serve(LedgerSettings.load()))


if __name__ == "__main__":
    main()
