"""The ledger's composition root."""

from __future__ import annotations

import asyncio
import secrets
import time
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
from services.ledger.adapters.audit import COLLECTION as AUDIT
from services.ledger.adapters.audit import MongoAudit
from services.ledger.adapters.change_feed import MongoChangeFeed
from services.ledger.adapters.migrations import Migrator
from services.ledger.adapters.mongo_analyses import MongoAnalyses
from services.ledger.adapters.mongo_custody import MongoCustody
from services.ledger.adapters.mongo_deliveries import COLLECTION as DELIVERIES
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import COLLECTION as PAYMENTS
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.adapters.mongo_quarantine import MongoQuarantine
from services.ledger.adapters.mongo_reads import MongoPaymentReads
from services.ledger.adapters.mongo_summaries import MongoSummaries
from services.ledger.adapters.payment_messages import render
from services.ledger.adapters.retention import Retention
from services.ledger.adapters.steps import steps
from services.ledger.analysing import Analysing
from services.ledger.analysis_policy import policy
from services.ledger.auditing import Auditor
from services.ledger.change_hub import ChangeHub
from services.ledger.correcting import Corrector
from services.ledger.custody import Custodian
from services.ledger.intake import Intake
from services.ledger.metrics import LedgerMetrics
from services.ledger.paging import PageTokens
from services.ledger.quarantine import Quarantine
from services.ledger.reading import Reader
from services.ledger.recording import Recorder
from services.ledger.sealing import KeyRing, parse_keys
from services.ledger.servicer import SERVICE, LedgerServicer
from services.ledger.settings import LedgerSettings
from services.ledger.settling import Settler
from services.ledger.spans import SpanMaker
from services.ledger.summarizing import Summarizer
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
    # Writes, reads and the change stream have a client each: an idle stream must not hold a writer's thread.
    writes, changes = (_database(settings, settings.write_budget_s) for _ in range(2))
    reads = _database(settings, settings.read_budget_s)
    mongo_url = settings.mongo_url.get_secret_value()
    patient = mongo.database_of(mongo.connect_patiently(mongo_url), mongo_url)
    keys = _keys(settings)
    feed = MongoChangeFeed(changes)
    hub = ChangeHub(feed, render)
    batches, metrics = BatchMetrics(registry), LedgerMetrics(registry)
    intake = Intake(
        _recorder(writes, settings, SpanMaker(traces, metrics), keys),
        budget_s=settings.write_budget_s,
        inflight_max=settings.inflight_max,
        observer=batches,
        written=metrics,
    )
    batches.watch(intake.queue)
    payments = reads[PAYMENTS]
    tokens = PageTokens(settings.page_token_key.get_secret_value().encode() or secrets.token_bytes(32))
    reader = Reader(MongoPaymentReads(payments, budget_s=settings.read_budget_s), tokens, clock_ms=_clock_ms)
    auditor = Auditor(MongoAudit(mongo.durable(writes, AUDIT, wtimeout_s=settings.write_budget_s)), clock_ms=_clock_ms)
    raw = MongoCustody(mongo.durable(writes, DELIVERIES, wtimeout_s=settings.write_budget_s), keys)
    servicer = LedgerServicer(
        intake=intake,
        reader=reader,
        summarizer=Summarizer(MongoSummaries(payments, budget_s=settings.read_budget_s)),
        watching=Watching(feed, hub, render),
        quarantine=_quarantine(writes, settings, tokens, keys, log),
        analysing=Analysing(
            MongoAnalyses(mongo.durable(writes, PAYMENTS, wtimeout_s=settings.write_budget_s)), log=log
        ),
        custodian=Custodian(raw, reader, auditor, clock_ms=_clock_ms),
        auditor=auditor,
    )
    server = Server(
        services=[SERVICE],
        reflect=not settings.production,
        streamed=["Record"],
        metrics=RpcMetrics(registry),
        admission=admitted,
    )
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(servicer, server.handlers)
    stop = stop_on_signal()
    port = await server.start(settings.bind)
    await server.start_health(settings.health_bind)
    serve_metrics(settings.metrics_bind, registry)
    log.info("listening", address=f"{settings.bind.rpartition(':')[0]}:{port}")
    migrator = Migrator(
        patient, steps(retention=Retention(days=settings.delivery_retention_days)), owner=secrets.token_hex(8)
    )
    ready = asyncio.create_task(_become_ready(patient, migrator, server, log))
    reporting = asyncio.create_task(_report_mongo(writes, server))
    await stop.wait()
    ready.cancel()
    reporting.cancel()
    await hub.close()
    await server.drain(notice_s=settings.drain_notice_s, grace_s=settings.drain_grace_s)
    await intake.close(grace_s=settings.drain_grace_s)
    for database in (writes, reads, changes, patient):
        database.client.close()
    traces.shutdown()
    log.info("stopped")
    told.shutdown()


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _database(settings: LedgerSettings, budget_s: float) -> mongo.Database:
    url = settings.mongo_url.get_secret_value()
    client = mongo.connect(
        url,
        pool_min=settings.mongo_pool_min,
        pool_max=settings.mongo_pool_max,
        budget_s=budget_s,
    )
    return mongo.database_of(client, url)


def _keys(settings: LedgerSettings) -> KeyRing | None:
    keys = parse_keys(settings.body_keys.get_secret_value())
    return KeyRing(keys, random=secrets.token_bytes) if keys else None


def _recorder(database: mongo.Database, settings: LedgerSettings, spans: SpanMaker, keys: KeyRing | None) -> Recorder:
    budget_s = settings.write_budget_s
    return Recorder(
        MongoPayments(mongo.durable(database, PAYMENTS, wtimeout_s=budget_s)),
        MongoDeliveries(mongo.durable(database, DELIVERIES, wtimeout_s=budget_s), keys),
        clock_ms=_clock_ms,
        spans=spans,
        selects=policy(settings.analysis_policy),
    )


def _quarantine(
    database: mongo.Database,
    settings: LedgerSettings,
    tokens: PageTokens,
    keys: KeyRing | None,
    log: structlog.typing.FilteringBoundLogger,
) -> Quarantine:
    budget_s = settings.write_budget_s
    payments = MongoPayments(mongo.durable(database, PAYMENTS, wtimeout_s=budget_s))
    deliveries = mongo.durable(database, DELIVERIES, wtimeout_s=budget_s)
    return Quarantine(
        MongoQuarantine(deliveries, budget_s=budget_s, keys=keys),
        Corrector(payments, Settler(payments, policy(settings.analysis_policy))),
        tokens,
        clock_ms=_clock_ms,
        log=log,
    )


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
    run("ledger", lambda: serve(LedgerSettings.load()))


if __name__ == "__main__":
    main()
