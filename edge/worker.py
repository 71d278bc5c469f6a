"""One edge worker: everything constructed, served on inherited or own sockets, drained on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final

import aiohttp
import grpc
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from edge import admin, documents, front, key_entries, limits, openapi, sources, unserved
from edge import https as edge_https
from edge.adapters import ingest_client, ledger_client
from edge.adapters.health_client import GrpcHealth
from edge.adapters.insight_reports import GrpcReports
from edge.adapters.redis_incidents import RedisIncidents
from edge.api_keys import ApiKeys
from edge.board import Board
from edge.bodies import BODY_BYTES_MAX, BodyReader
from edge.certificates import Certificates
from edge.connections import ConnectionLimits, Connections, Runner, site
from edge.dependencies import Dependencies
from edge.incidents import Incidents
from edge.metrics import ReadMetrics, WebhookMetrics
from edge.model import Answer, Delivery
from edge.monitoring import Monitoring, NotShared
from edge.networks import networks_of
from edge.payments import Payments
from edge.ports import SharedIncidents
from edge.problems import problem
from edge.readiness import Readiness
from edge.reports import Reports
from edge.rotation import Rotation
from edge.settings import EdgeSettings, split
from edge.sources import Source
from edge.surface import Surface
from edge.waiting import Waiting
from edge.webhooks import RequestIds, Webhooks
from edge.worker_group import WorkerGroup
from mesh import identity, logs, tracing
from mesh.batching import Batcher, BatchLimits
from mesh.channel import open_channel
from mesh.lifecycle import stop_on_signal
from mesh.metrics import BatchMetrics, measure_process
from mesh.telemetry import Telemetry

_BACKLOG: Final = 4_096
_KEEPALIVE_S: Final = 75
# The admin port is for probes and Prometheus.
_INSIDE: Final = ConnectionLimits(total_max=256, per_address_max=0, exempt=(), head_s_max=10.0, idle_s_max=_KEEPALIVE_S)
_REDIS: Final = ("redis://", "rediss://")
_INSIGHT: Final = "autopay.insight.v1.InsightService"


def build(
    settings: EdgeSettings,
    configured: Mapping[str, Source],
    webhooks: Webhooks,
    routes: Sequence[web.RouteDef],
    ids: RequestIds,
) -> web.Application:
    """Return the public application."""
    app = web.Application(client_max_size=BODY_BYTES_MAX)

    async def unknown_source(request: web.Request) -> web.Response:
        del request
        detail = "No such source is configured here, or it has no active secret."
        return problem(404, "SOURCE_UNKNOWN", detail, request_id=ids.next(), trace_id="")

    # Each has a route of its own, found by one look into a table; one that is off now may get a secret later.
    for source in configured.values():
        handler = webhooks.handler(source)
        for path in source.paths:
            app.router.add_post(path, handler)
    app.router.add_post("/webhooks/{source}", unknown_source)
    app.add_routes(routes)
    unserved.add(app, ids)
    del settings
    return app


async def serve(settings: EdgeSettings, public: socket.socket, admin_socket: socket.socket) -> None:
    """Serve on two listening sockets until told to stop."""
    registry = CollectorRegistry()
    told = Telemetry("edge", registry)
    log = logs.configure("edge", settings.log_level, also=told.lines)
    traces = tracing.configure("edge")
    configured, keyring = sources.load(settings)
    own = identity.of(settings)
    measure_process(own, registry)
    active = sorted(source.name for source in configured.values() if source.secrets)
    if "autopay" not in active:
        log.warning("source autopay has no secret and is off; set HMAC_SECRET_KEY", source="autopay")
    ids, readiness = RequestIds(), Readiness()
    https = edge_https.of(settings.https_cert, settings.https_key)
    connections = Connections(_limits_of(settings), ids, registry)
    inside = Connections(_INSIDE, ids, CollectorRegistry())
    stop = stop_on_signal()
    async with AsyncExitStack() as stack:
        ingest = _channel(settings.ingest_target, ingest_client.SERVICE, own, stack)
        ledger = _channel(settings.ledger_target, ledger_client.SERVICE, own, stack)
        insight = _channel(settings.insight_target, _INSIGHT, own, stack)
        batcher = _batcher(settings, ingest, registry)
        incidents = Incidents()
        group = WorkerGroup(Board.inherited(), registry=registry, incidents=incidents, log=log)
        budgets = limits.build(settings, registry, log)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        reads = ledger_client.GrpcLedger(ledger)
        webhooks = Webhooks(
            certificates=Certificates(session),
            limits=budgets,
            bodies=BodyReader(timeout_s=settings.body_timeout_s, unverified_bytes_max=settings.unverified_bytes_max),
            batcher=batcher,
            ids=ids,
            readiness=readiness,
            tracing=traces,
            metrics=WebhookMetrics(registry),
            incidents=incidents,
            waiting=Waiting(reads, waiters_max=settings.waiters_max),
            log=log,
        )
        surface = Surface(
            keys=_keys(settings),
            ids=ids,
            readiness=readiness,
            tracing=traces,
            limits=budgets,
            incidents=incidents,
            log=log,
            metrics=ReadMetrics(registry),
        )
        dependencies = Dependencies(GrpcHealth({"ingest": ingest, "ledger": ledger, "insight": insight}))
        monitoring = Monitoring(dependencies, group, _shared(settings, ids, incidents, log, stack))
        routes = [
            *front.routes(surface),
            *documents.routes(surface, openapi.document(configured.values(), public_url=settings.public_url)),
            *Payments(reads, sources=list(configured)).routes(surface),
            *Reports(GrpcReports(insight)).routes(surface),
            *monitoring.routes(surface),
        ]
        app = build(settings, configured, webhooks, routes, ids)
        runner = await _run(
            app,
            public,
            stack,
            connections,
            grace_s=settings.drain_grace_s,
            context=https.context if https is not None else None,
        )
        await _run(admin.build(readiness, group), admin_socket, stack, inside, grace_s=0)
        rotation = Rotation(configured, keyring, registry=registry, log=log)
        for work in (rotation.run(), group.run(), dependencies.run(), *([https.run(log)] if https is not None else ())):
            stack.callback(asyncio.create_task(work).cancel)
        readiness.ready = True
        log.info("listening", address=_address(public), admin=_address(admin_socket), sources=active)
        await stop.wait()
        readiness.ready = False
        await _drain(runner, batcher, settings, log)
        group.publish()
    traces.shutdown()
    log.info("stopped")
    told.shutdown()


def _batcher(
    settings: EdgeSettings, ingest: grpc.aio.Channel, registry: CollectorRegistry
) -> Batcher[Delivery, Answer]:
    batches = BatchMetrics(registry)
    batcher: Batcher[Delivery, Answer] = Batcher(
        ingest_client.GrpcIngest(ingest).ingest,
        BatchLimits(
            inflight_max=settings.inflight_max,
            queue_bytes_max=settings.queue_bytes_max,
            wait_s_max=settings.wait_s_max,
            attempt_s_max=settings.attempt_s_max,
            retry=True,
        ),
        name="the mesh",
        observer=batches,
    )
    batches.watch(batcher)
    return batcher


def _keys(settings: EdgeSettings) -> ApiKeys:
    return ApiKeys(
        key_entries.parse(split(settings.api_keys)), monitoring_key=settings.monitoring_key.get_secret_value()
    )


def _channel(target: str, service: str, own: identity.Identity | None, stack: AsyncExitStack) -> grpc.aio.Channel:
    channel = open_channel(target, service=service, identity=own)
    stack.push_async_callback(channel.close)
    return channel


def _shared(
    settings: EdgeSettings,
    ids: RequestIds,
    incidents: Incidents,
    log: structlog.typing.FilteringBoundLogger,
    stack: AsyncExitStack,
) -> SharedIncidents:
    """Return what replicas share incidents in: the Redis of the limits, else nothing."""
    url = settings.limit_storage.get_secret_value()
    if not url.startswith(_REDIS):
        return NotShared()
    redis = Redis.from_url(url)
    stack.push_async_callback(redis.aclose)
    shared = RedisIncidents(redis, worker=ids.next(), incidents=incidents, log=log)
    stack.callback(asyncio.create_task(shared.run()).cancel)
    return shared


async def _run(
    app: web.Application,
    listening: socket.socket,
    stack: AsyncExitStack,
    connections: Connections,
    *,
    grace_s: float,
    context: ssl.SSLContext | None = None,
) -> web.AppRunner:
    runner = Runner(app, connections, shutdown_timeout=grace_s)
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await site(runner, listening, backlog=_BACKLOG, context=context).start()
    return runner


def _limits_of(settings: EdgeSettings) -> ConnectionLimits:
    return ConnectionLimits(
        total_max=settings.connections_max,
        per_address_max=settings.address_connections_max,
        exempt=networks_of(settings.trusted_proxies),
        head_s_max=settings.header_timeout_s,
        idle_s_max=_KEEPALIVE_S,
    )


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell bugs from bytes that are no HTTP: any stranger could fill the log with tracebacks of those."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


async def _drain(
    runner: web.AppRunner,
    batcher: Batcher[Delivery, Answer],
    settings: EdgeSettings,
    log: structlog.typing.FilteringBoundLogger,
) -> None:
    """Say not ready, give load balancers time to notice, stop accepting, finish what is here."""
    log.info("draining")
    await asyncio.sleep(settings.drain_notice_s)
    # Closes what idles and finishes what runs; only then has the batcher seen its last delivery.
    await runner.cleanup()
    await batcher.close(grace_s=settings.drain_grace_s)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"{host}:{port}"
