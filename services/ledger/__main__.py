"""The ledger's composition root."""

from __future__ import annotations

import asyncio
import time

from autopay.ledger.v1 import ledger_pb2_grpc
from prometheus_client import CollectorRegistry, start_http_server

from mesh import logs, tracing
from mesh.lifecycle import run, stop_on_signal
from mesh.metrics import BatchMetrics, RpcMetrics
from mesh.server import Server
from services.ledger.adapters import indexes, mongo
from services.ledger.adapters.mongo_deliveries import COLLECTION as DELIVERIES
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import COLLECTION as PAYMENTS
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.intake import Intake
from services.ledger.recording import Recorder
from services.ledger.servicer import SERVICE, RecordServicer
from services.ledger.settings import LedgerSettings
from services.ledger.spans import SpanMaker

_RETRY_S_MAX = 1.0


async def serve(settings: LedgerSettings) -> None:
    """Run the ledger until it is told to stop."""
    log = logs.configure("ledger", settings.log_level)
    traces = tracing.configure("ledger")
    registry = CollectorRegistry()
    client = mongo.connect(
        settings.mongo_url,
        pool_min=settings.mongo_pool_min,
        pool_max=settings.mongo_pool_max,
        budget_s=settings.write_budget_s,
    )
    database = mongo.database_of(client, settings.mongo_url)
    recorder = Recorder(
        MongoPayments(mongo.durable(database, PAYMENTS, wtimeout_s=settings.write_budget_s)),
        MongoDeliveries(mongo.durable(database, DELIVERIES, wtimeout_s=settings.write_budget_s)),
        clock_ms=lambda: time.time_ns() // 1_000_000,
        spans=SpanMaker(traces),
    )
    intake = Intake(
        recorder,
        budget_s=settings.write_budget_s,
        inflight_max=settings.inflight_max,
        observer=BatchMetrics(registry),
    )
    server = Server(services=[SERVICE], reflect=not settings.production, metrics=RpcMetrics(registry))
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(RecordServicer(intake), server.raw)
    stop = stop_on_signal()
    port = await server.start(settings.bind)
    if settings.metrics_bind:
        host, _, metrics_port = settings.metrics_bind.rpartition(":")
        start_http_server(int(metrics_port), host, registry)
    log.info("listening", address=f"{settings.bind.rpartition(':')[0]}:{port}")

    async def become_ready() -> None:
        pause_s = 0.05
        said = ""
        while True:
            try:
                await mongo.check(client)
                await indexes.ensure(database)
            except (mongo.PyMongoError, ValueError) as error:
                if str(error)[:60] != said:
                    said = str(error)[:60]
                    log.warning("mongo is not usable yet, trying on", **logs.error_fields(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _RETRY_S_MAX)
            else:
                break
        await server.set_healthy(healthy=True)
        log.info("ready")

    ready = asyncio.create_task(become_ready())
    await stop.wait()
    ready.cancel()
    await server.drain(notice_s=settings.drain_notice_s, grace_s=settings.drain_grace_s)
    await intake.close(grace_s=settings.drain_grace_s)
    client.close()
    traces.shutdown()
    log.info("stopped")


def main() -> None:
    """Start the ledger with the settings of the environment."""
    run("ledger", lambda: serve(LedgerSettings.load()))


if __name__ == "__main__":
    main()
