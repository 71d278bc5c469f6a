"""One edge worker: everything constructed, served on inherited or own sockets, drained on SIGTERM."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import grpc
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from edge import admin, documents, front, key_entries, limits, listening, openapi, sources
from edge import https as edge_https
from edge.adapters import ingest_client, ledger_client
from edge.adapters.health_client import GrpcHealth
from edge.adapters.insight_reports import GrpcReports
from edge.adapters.ledger_client import GrpcLedger
from edge.adapters.redis_incidents import RedisIncidents
from edge.api_keys import ApiKeys
from edge.board import Board
from edge.bodies import BodyReader
from edge.certificates import Certificates
from edge.connections import Connections
from edge.dependencies import Dependencies
from edge.incidents import Incidents
from edge.metrics import ReadMetrics, WebhookMetrics
from edge.model import Answer, Delivery
from edge.monitoring import Monitoring, NotShared
from edge.payments import Payments
from edge.ports import SharedIncidents
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

_REDIS: Final = ("redis://", "rediss://")
_INSIGHT: Final = "autopay.insight.v1.InsightService"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Core:
    """What nearly everything is made with."""

    settings: EdgeSettings
    registry: CollectorRegistry
    log: structlog.typing.FilteringBoundLogger
    traces: tracing.Tracing
    budgets: limits.Limits
    ids: RequestIds = field(default_factory=RequestIds)
    readiness: Readiness = field(default_factory=Readiness)
    incidents: Incidents = field(default_factory=Incidents)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channels:
    """The ways to the other processes."""

    ingest: grpc.aio.Channel
    ledger: grpc.aio.Channel
    insight: grpc.aio.Channel


async def serve(settings: EdgeSettings, public: socket.socket, admin_socket: socket.socket) -> None:
    """Serve on two listening sockets until told to stop."""
    registry = CollectorRegistry()
    told = Telemetry("edge", registry)
    log = logs.configure("edge", settings.log_level, also=told.lines)
    traces = tracing.configure("edge")
    core = _Core(
        settings=settings,
        registry=registry,
        log=log,
        traces=traces,
        budgets=limits.build(settings, registry, log),
    )
    stop = stop_on_signal()
    async with AsyncExitStack() as stack:
        await _serve(core, public, admin_socket, stop, stack)
    traces.shutdown()
    log.info("stopped")
    told.shutdown()


async def _serve(
    core: _Core, public: socket.socket, admin_socket: socket.socket, stop: asyncio.Event, stack: AsyncExitStack
) -> None:
    settings = core.settings
    configured, keyring = sources.load(settings)
    active = _active(configured, core)
    own = identity.of(settings)
    measure_process(own, core.registry)
    channels = _channels(settings, own, stack)
    batcher = _batcher(settings, channels.ingest, core.registry)
    group = WorkerGroup(Board.inherited(), registry=core.registry, incidents=core.incidents, log=core.log)
    dependencies = Dependencies(
        GrpcHealth({"ingest": channels.ingest, "ledger": channels.ledger, "insight": channels.insight})
    )
    session = await stack.enter_async_context(aiohttp.ClientSession())
    reads = GrpcLedger(channels.ledger)
    webhooks = _webhooks(core, batcher, reads, session)
    monitoring = Monitoring(dependencies, group, _shared(core, stack))
    routes = _routes(core, configured, reads, GrpcReports(channels.insight), monitoring)
    app = listening.application(configured, webhooks, routes, core.ids)
    https = edge_https.of(settings.https_cert, settings.https_key)
    runner = await _listen(core, app, public, https, stack)
    inside = Connections(listening.INSIDE, core.ids, CollectorRegistry())
    await listening.run(admin.build(core.readiness, group), admin_socket, stack, inside, grace_s=0)
    rotation = Rotation(configured, keyring, registry=core.registry, log=core.log)
    for work in (rotation.run(), group.run(), dependencies.run(), *([https.run(core.log)] if https else ())):
        stack.callback(asyncio.create_task(work).cancel)
    core.readiness.ready = True
    where, inner = listening.address_of(public), listening.address_of(admin_socket)
    core.log.info("listening", address=where, admin=inner, sources=active)
    await stop.wait()
    core.readiness.ready = False
    await _drain(runner, batcher, settings, core.log)
    group.publish()


async def _listen(
    core: _Core, app: web.Application, public: socket.socket, https: edge_https.Https | None, stack: AsyncExitStack
) -> web.AppRunner:
    connections = Connections(listening.limits_of(core.settings), core.ids, core.registry)
    return await listening.run(
        app,
        public,
        stack,
        connections,
        grace_s=core.settings.drain_grace_s,
        context=https.context if https is not None else None,
    )


def _active(configured: Mapping[str, Source], core: _Core) -> Sequence[str]:
    """Return the sources that have a secret; the native one's having none is worth a line."""
    active = sorted(source.name for source in configured.values() if source.secrets)
    if "autopay" not in active:
        core.log.warning("source autopay has no secret and is off; set HMAC_SECRET_KEY", source="autopay")
    return active


def _webhooks(
    core: _Core, batcher: Batcher[Delivery, Answer], ledger: GrpcLedger, session: aiohttp.ClientSession
) -> Webhooks:
    settings = core.settings
    return Webhooks(
        certificates=Certificates(session, proxy=settings.certificate_proxy),
        limits=core.budgets,
        bodies=BodyReader(timeout_s=settings.body_timeout_s, unverified_bytes_max=settings.unverified_bytes_max),
        batcher=batcher,
        ids=core.ids,
        readiness=core.readiness,
        tracing=core.traces,
        metrics=WebhookMetrics(core.registry),
        incidents=core.incidents,
        waiting=Waiting(ledger, waiters_max=settings.waiters_max),
        log=core.log,
    )


def _routes(
    core: _Core, configured: Mapping[str, Source], reads: GrpcLedger, reports: GrpcReports, monitoring: Monitoring
) -> Sequence[web.RouteDef]:
    """Return every route but those of webhooks."""
    surface = Surface(
        keys=_keys(core.settings),
        ids=core.ids,
        readiness=core.readiness,
        tracing=core.traces,
        limits=core.budgets,
        incidents=core.incidents,
        log=core.log,
        metrics=ReadMetrics(core.registry),
    )
    described = openapi.document(configured.values(), public_url=core.settings.public_url)
    return [
        *front.routes(surface),
        *documents.routes(surface, described),
        *Payments(reads, sources=list(configured)).routes(surface),
        *Reports(reports).routes(surface),
        *monitoring.routes(surface),
    ]


def _batcher(
    settings: EdgeSettings, ingest: grpc.aio.Channel, registry: CollectorRegistry
) -> Batcher[Delivery, Answer]:
    batches = BatchMetrics(registry)
    inflight_max, inflight_full_max = settings.inflight_per_worker
    batcher: Batcher[Delivery, Answer] = Batcher(
        ingest_client.GrpcIngest(ingest).ingest,
        BatchLimits(
            inflight_max=inflight_max,
            inflight_full_max=inflight_full_max,
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


def _channels(settings: EdgeSettings, own: identity.Identity | None, stack: AsyncExitStack) -> _Channels:
    def channel(target: str, service: str) -> grpc.aio.Channel:
        opened = open_channel(target, service=service, identity=own)
        stack.push_async_callback(opened.close)
        return opened

    return _Channels(
        ingest=channel(settings.ingest_target, ingest_client.SERVICE),
        ledger=channel(settings.ledger_target, ledger_client.SERVICE),
        insight=channel(settings.insight_target, _INSIGHT),
    )


def _shared(core: _Core, stack: AsyncExitStack) -> SharedIncidents:
    """Return what replicas share incidents in: the Redis of the limits, else nothing."""
    url = core.settings.limit_storage.get_secret_value()
    if not url.startswith(_REDIS):
        return NotShared()
    redis = Redis.from_url(url)
    stack.push_async_callback(redis.aclose)
    shared = RedisIncidents(redis, worker=core.ids.next(), incidents=core.incidents, log=core.log)
    stack.callback(asyncio.create_task(shared.run()).cancel)
    return shared


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
