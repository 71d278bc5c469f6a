"""An edge that listens on loopback, with ingest and ledger in memory behind it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from edge import admin, documents, front, https, key_entries, limits, listening, openapi, sources
from edge.__main__ import _listen
from edge.api_keys import ApiKeys
from edge.bodies import BodyReader
from edge.certificates import Certificates
from edge.connections import Connections
from edge.dependencies import Dependencies
from edge.https import Https
from edge.incidents import Incidents
from edge.metrics import WebhookMetrics
from edge.model import Answer, Delivery
from edge.monitoring import Monitoring, NotShared
from edge.payments import Payments
from edge.readiness import Readiness
from edge.reports import Reports
from edge.rotation import Rotation
from edge.settings import EdgeSettings, split
from edge.surface import Surface
from edge.waiting import Waiting
from edge.webhooks import RequestIds, Webhooks
from edge.worker_group import WorkerGroup
from mesh import logs
from mesh.batching import Batcher, BatchLimits
from mesh.tracing import Tracing
from providers.contract import Provider
from tests.fakes.checks import FakeChecks
from tests.fakes.ingest import FakeIngest
from tests.fakes.ledger_reads import FakeLedgerReads
from tests.fakes.reports import FakeReports

SECRET = "s3cret-of-the-tests-0123456789abcdef"
API_KEY = "reader.0123456789abcdefghijkl"
BODY = b'{"tx_id":"T-1","amount":"10.00","currency":"EUR","sender_account":"a","receiver_account":"b"}'


@dataclass(frozen=True, slots=True)
class Got:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass
class Edge:
    """A running edge and everything behind it."""

    host: str
    port: int
    admin_port: int
    session: aiohttp.ClientSession
    batcher: Batcher[Delivery, Answer]
    bodies: BodyReader
    readiness: Readiness
    ingest: FakeIngest
    ledger: FakeLedgerReads
    checks: FakeChecks
    reports: FakeReports
    https: Https | None
    log: io.TextIOWrapper
    rotation: Rotation

    async def send(self, method: str, path: str, *, port: int = 0, **request: Any) -> Got:
        """Send one request."""
        url = f"http://{self.host}:{port or self.port}{path}"
        async with self.session.request(method, url, **request) as response:
            return Got(response.status, dict(response.headers), await response.read())

    async def deliver(self, body: bytes = BODY, *, path: str = "/webhooks/payments", **request: Any) -> Got:
        """Send a webhook with a valid signature, unless the headers are given."""
        headers = request.pop("headers", None)
        return await self.send("POST", path, data=body, headers=headers or signed(body), **request)

    async def raw(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and send bytes."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(request)
        await writer.drain()
        return reader, writer

    async def until_waiting(self, count: int) -> None:
        """Wait until so many deliveries are waiting for their answer."""
        async with asyncio.timeout(5):
            while self.batcher.waiting[0] < count:  # noqa: ASYNC110 - the batcher tells nobody
                await asyncio.sleep(0.005)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged."""
        return [json.loads(line) for line in self.logged().splitlines()]

    def logged(self) -> bytes:
        """Return what was logged, as bytes."""
        written = self.log.buffer
        assert isinstance(written, io.BytesIO)
        return written.getvalue()


def signature(body: bytes, timestamp: str, *, secret: str = SECRET) -> str:
    """Return the HMAC over timestamp and body."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def signed(body: bytes, *, age_s: float = 0, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a delivery signed so many seconds ago."""
    timestamp = str(int(time.time() - age_s))
    return {"X-Timestamp": timestamp, "X-Signature": signature(body, timestamp, secret=secret)}


async def answer_of(reader: asyncio.StreamReader) -> Got:
    """Read an HTTP answer from a raw connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Got(int(first.split()[1]), headers, await reader.readexactly(int(headers["Content-Length"])))


@asynccontextmanager
async def running_edge(
    bounds: BatchLimits | None = None,
    *,
    certificates: aiohttp.TCPConnector | None = None,
    providers: Mapping[str, Provider] | None = None,
    **settings: Any,
) -> AsyncIterator[Edge]:
    """Run an edge as its worker does, with the fakes in place of the channels.

    Certificates are fetched over `certificates`; `providers` stand in for the installed ones.
    """
    values = {"hmac_secret_key": SECRET, "api_keys": API_KEY, **settings}
    read = EdgeSettings.load(bind="127.0.0.1:0", admin_bind="127.0.0.1:0", **values)
    ingest, ledger, registry, ids = FakeIngest(), FakeLedgerReads(), CollectorRegistry(), RequestIds()
    bounds = bounds or BatchLimits(wait_s_max=read.wait_s_max, attempt_s_max=read.attempt_s_max, retry=True)
    batcher: Batcher[Delivery, Answer] = Batcher(ingest.ingest, bounds, name="the mesh")
    bodies = BodyReader(timeout_s=read.body_timeout_s, unverified_bytes_max=read.unverified_bytes_max)
    written, tracing = io.TextIOWrapper(io.BytesIO()), Tracing(None, ratio=0)
    configured, keyring = sources.load(read, providers)
    log = logs.configure("edge", "info", written)
    readiness = Readiness()
    readiness.ready = True
    keys = ApiKeys(key_entries.parse(split(read.api_keys)), monitoring_key=read.monitoring_key.get_secret_value())
    incidents = Incidents()
    group = WorkerGroup(None, registry=registry, incidents=incidents, log=log)
    budgets = limits.build(read, registry, log)
    surface = Surface(
        keys=keys, ids=ids, readiness=readiness, tracing=tracing, log=log, limits=budgets, incidents=incidents
    )
    checks, reports = FakeChecks(), FakeReports()
    monitoring = Monitoring(Dependencies(checks), group, NotShared())
    routes = [
        *monitoring.routes(surface),
        *front.routes(surface),
        *documents.routes(surface, openapi.document(configured.values())),
        *Payments(ledger, sources=list(configured)).routes(surface),
        *Reports(reports).routes(surface),
    ]
    public, inside = _listen("127.0.0.1:0"), _listen("127.0.0.1:0")
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        outside = await stack.enter_async_context(aiohttp.ClientSession(connector=certificates))
        webhooks = Webhooks(
            certificates=Certificates(outside),
            limits=budgets,
            bodies=bodies,
            batcher=batcher,
            ids=ids,
            readiness=readiness,
            tracing=tracing,
            metrics=WebhookMetrics(registry),
            incidents=incidents,
            waiting=Waiting(ledger, waiters_max=read.waiters_max),
            log=log,
        )
        connections = Connections(listening.limits_of(read), ids, registry)
        secure = https.of(read.https_cert, read.https_key)
        context = secure.context if secure is not None else None
        app = listening.application(configured, webhooks, routes, ids)
        await listening.run(app, public, stack, connections, grace_s=1, context=context)
        own = Connections(listening.INSIDE, ids, CollectorRegistry())
        await listening.run(admin.build(readiness, group), inside, stack, own, grace_s=0)
        host, port = public.getsockname()
        yield Edge(
            host=host,
            port=port,
            admin_port=inside.getsockname()[1],
            session=session,
            batcher=batcher,
            bodies=bodies,
            readiness=readiness,
            ingest=ingest,
            ledger=ledger,
            checks=checks,
            reports=reports,
            https=secure,
            log=written,
            rotation=Rotation(configured, keyring, registry=registry, log=log),
        )
