"""The edge's work on one webhook, from a request's bytes to its answer's, over transports that only keep bytes."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from bench import bare, traffic
from bench.stages import UNTRACED, Ingest, Instant
from edge import limits, listening, sources
from edge.adapters.ingest_client import GrpcIngest
from edge.bodies import BodyReader
from edge.certificates import Certificates
from edge.connections import Connections, Runner
from edge.incidents import Incidents
from edge.metrics import WebhookMetrics
from edge.readiness import Readiness
from edge.settings import EdgeSettings
from edge.waiting import Waiting
from edge.webhooks import RequestIds, Webhooks
from mesh import logs
from mesh.batching import Batcher, BatchLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SECRET: Final = "0123456789abcdef" * 4
_PATH: Final = "/webhooks/payments"
_HOST: Final = "127.0.0.1"
_TURNS_MAX: Final = 10_000


class Rounds:
    """Connections on each of which one request is answered per round."""

    def __init__(self, make: Callable[[], Any], requests: Sequence[bytes]) -> None:
        """Open a connection for each request; `make` gives a protocol."""
        self._lanes = [(make(), _Kept(), request) for request in requests]
        for protocol, transport, _ in self._lanes:
            protocol.connection_made(transport)
        self._answers = 0

    async def round(self) -> None:
        """Send every request and wait for every answer.

        Raises:
            RuntimeError: an answer is none, or does not come.
        """
        self._answers += 1
        for protocol, _, request in self._lanes:
            protocol.data_received(request)
        for _ in range(_TURNS_MAX):
            await asyncio.sleep(0)
            if all(transport.writes == self._answers for _, transport, _ in self._lanes):
                break
        wrong = next((kept.last for _, kept, _ in self._lanes if not kept.last.startswith(b"HTTP/1.1 200")), None)
        if wrong is not None or self._lanes[-1][1].writes != self._answers:
            raise RuntimeError(f"not answered as meant: {wrong!r}")


class _Kept(asyncio.Transport):
    """Takes bytes and keeps the last."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.last = b""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (_HOST, 1) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        self.last = bytes(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def requests_of(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the bodies signed now, as HTTP requests."""
    now_s, secret = int(time.time()), _SECRET.encode()
    return [traffic.request(each, secret=secret, timestamp_s=now_s, host=_HOST, path=_PATH) for each in bodies]


async def bare_handler(bodies: Sequence[bytes], stack: AsyncExitStack) -> Rounds:
    """Return the rounds of a handler that only reads the body."""
    app = web.Application()
    app.router.add_post(_PATH, bare.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None  # noqa: S101 - it is set up
    return Rounds(runner.server, requests_of(bodies))


async def edge(bodies: Sequence[bytes], ingest: Ingest, stack: AsyncExitStack) -> tuple[Rounds, Instant]:
    """Return the rounds of an edge as its worker makes it, and the channel its batches left through."""
    settings = EdgeSettings.load(hmac_secret_key=_SECRET)
    counted, configured = CollectorRegistry(), sources.load(settings)[0]
    log = logs.configure("bench", "info", stack.enter_context(_nowhere()))
    channel = Instant(ingest.ingest, lambda request: len(request.deliveries))
    bounds = BatchLimits(wait_s_max=settings.wait_s_max, attempt_s_max=settings.attempt_s_max)
    batcher = Batcher(GrpcIngest(channel).ingest, bounds, name="the mesh")  # type: ignore[arg-type]  # all it needs
    ids, readiness = RequestIds(), Readiness()
    readiness.ready = True
    webhooks = Webhooks(
        certificates=Certificates(await stack.enter_async_context(aiohttp.ClientSession())),
        limits=limits.build(settings, counted, log),
        bodies=BodyReader(timeout_s=settings.body_timeout_s, unverified_bytes_max=settings.unverified_bytes_max),
        batcher=batcher,
        ids=ids,
        readiness=readiness,
        tracing=UNTRACED,
        metrics=WebhookMetrics(counted),
        incidents=Incidents(),
        waiting=Waiting(None, waiters_max=0),  # type: ignore[arg-type]  # nobody waits
        log=log,
    )
    app = listening.application(configured, webhooks, [], ids)
    runner = Runner(app, Connections(listening.limits_of(settings), ids, counted), shutdown_timeout=0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None  # noqa: S101 - it is set up
    return Rounds(runner.server, requests_of(bodies)), channel
