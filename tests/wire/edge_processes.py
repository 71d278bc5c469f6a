"""Real edge processes, and an ingest that answers them over gRPC."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import psutil
from autopay.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, payment_pb2

from mesh.server import Server
from mesh.settings import environment_without

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s3cret-of-the-tests-0123456789abcdef"
BODY = b'{"tx_id":"T-1"}'
SERVICE = "autopay.ingest.v1.IngestService"


class IngestDouble(ingest_pb2_grpc.IngestServiceServicer):
    """Says that every delivery is recorded, after a while; remembers what it was sent."""

    def __init__(self) -> None:
        """Answer at once."""
        self.delay_s = 0.0
        self.called = asyncio.Event()
        self.deliveries: list[delivery_pb2.Delivery] = []
        self.results: list[ingest_pb2.IngestResult] = []

    async def Ingest(
        self, request: ingest_pb2.IngestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ingest_pb2.IngestResponse:
        """Answer one batch: with the results that were set, else with CREATED."""
        self.deliveries.extend(request.deliveries)
        self.called.set()
        await asyncio.sleep(self.delay_s)
        return ingest_pb2.IngestResponse(results=self.results or [created() for _ in request.deliveries])


def created() -> ingest_pb2.IngestResult:
    """Return the answer to a new payment."""
    event = ingest_pb2.EventResult(
        tx_id="T-1",
        event_id="e-1",
        outcome=ledger_pb2.OUTCOME_CREATED,
        status=payment_pb2.PAYMENT_STATUS_SUCCESS,
        version=1,
    )
    return ingest_pb2.IngestResult(disposition=ledger_pb2.DISPOSITION_RECORDED, durable=True, events=[event])


@asynccontextmanager
async def serving(ingest: IngestDouble) -> AsyncIterator[str]:
    """Serve an ingest while the context lasts; yields its address."""
    server = Server(services=[SERVICE], reflect=False)
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(ingest, server.handlers)
    port = await server.start("127.0.0.1:0")
    await server.set_healthy(healthy=True)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop()


class EdgeProcess:
    """An edge as an operator starts it."""

    def __init__(self, ingest: str, directory: Path, **environment: str) -> None:
        """Start it; its output goes into files of `directory`."""
        self._out, self._err = directory / "out", directory / "err"
        variables = {
            **environment_without("EDGE_", "OTEL_", "AUTOPAY_", "HMAC_", "WEBHOOK_"),
            "EDGE_BIND": "127.0.0.1:0",
            "EDGE_ADMIN_BIND": "127.0.0.1:0",
            "EDGE_INGEST_TARGET": ingest,
            "HMAC_SECRET_KEY": SECRET,
            **environment,
        }
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge"], cwd=ROOT, env=variables, stdout=out, stderr=err
            )

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self._out.read_bytes().splitlines()]

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        return self._err.read_text()

    @property
    def workers(self) -> set[int]:
        """The process ids of its workers."""
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def listening(self, event: str = "listening") -> list[dict[str, Any]]:
        """Return the lines of an event."""
        return [line for line in self.lines if line["event"] == event]

    async def up(self, *, workers: int = 1) -> tuple[str, str]:
        """Wait until so many workers listen; return the public and the admin address."""
        async with asyncio.timeout(60):
            while len(self.listening()) < workers:
                assert self.process.poll() is None, self.errors
                await asyncio.sleep(0.02)
        line = self.listening()[0]
        return line["address"], line["admin"]

    async def ended(self, *, timeout_s: float = 30) -> int:
        """Wait for its end; return the exit code."""
        return await asyncio.to_thread(self.process.wait, timeout_s)

    def stop(self) -> None:
        """End it and its workers, whatever state they are in."""
        if self.process.poll() is None:
            workers = self.workers
            self.process.kill()
            self.process.wait()
            for pid in workers:
                os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def running(directory: Path, *, edges: int = 1, **environment: str) -> AsyncIterator[list[EdgeProcess]]:
    """Run edges before one ingest that says CREATED to everything, while the context lasts."""
    started: list[EdgeProcess] = []
    try:
        async with serving(IngestDouble()) as target:
            for number in range(edges):
                own = directory / f"edge-{number}"
                own.mkdir()
                started.append(EdgeProcess(target, own, **environment))
            yield started
    finally:
        for each in started:
            each.stop()


async def until(condition: Callable[[], bool], *, timeout_s: float) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what another process does sets no event
            await asyncio.sleep(0.05)


def signed(body: bytes = BODY, *, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a delivery signed now."""
    timestamp = str(int(time.time()))
    made = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Timestamp": timestamp, "X-Signature": made}


def connections(*, keep: bool) -> aiohttp.ClientSession:
    """Return a session that keeps its connections, or opens one for each request."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=not keep))
