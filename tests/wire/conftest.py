"""Real servers on loopback for tests of the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2_grpc

from mesh.channel import open_channel
from mesh.metrics import RpcMetrics
from mesh.server import Server
from services.ledger.intake import Intake
from services.ledger.record_servicer import RecordServicer
from services.ledger.servicer import SERVICE
from tests.fakes import echo
from tests.unit.ledger.rig import Rig
from tests.wire.record_ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that listens."""

    server: Server
    address: str


StartEcho = Callable[..., Awaitable[Running]]
OpenChannel = Callable[[str], grpc.aio.Channel]


@pytest.fixture
async def start_echo() -> AsyncIterator[StartEcho]:
    """Return a function that starts servers of `tests.fakes.echo`."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            say: echo.Unary = echo.same,
            listen: echo.Stream = echo.none,
            healthy: bool = True,
            metrics: RpcMetrics | None = None,
            reflect: bool = False,
            streamed: Sequence[str] = ("Say",),
        ) -> Running:
            server = Server(services=[echo.SERVICE], reflect=reflect, streamed=streamed, metrics=metrics)
            echo.add(server.handlers, say=say, listen=listen)
            stack.push_async_callback(server.stop)
            port = await server.start("127.0.0.1:0")
            if healthy:
                await server.set_healthy(healthy=True)
            return Running(server=server, address=f"127.0.0.1:{port}")

        yield start


@pytest.fixture
async def channel_to() -> AsyncIterator[OpenChannel]:
    """Return a function that opens channels as our processes do, closed after the test."""
    async with AsyncExitStack() as stack:

        def opened(target: str) -> grpc.aio.Channel:
            channel = open_channel(target, service=echo.SERVICE)
            stack.push_async_callback(channel.close)
            return channel

        yield opened


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    """A ledger that listens."""
    async with AsyncExitStack() as stack:
        rig = Rig()
        intake = Intake(rig.recorder, budget_s=2, inflight_max=2)
        server = Server(services=[SERVICE], reflect=False)
        ledger_pb2_grpc.add_LedgerServiceServicer_to_server(RecordServicer(intake), server.handlers)
        stack.push_async_callback(server.stop)
        port = await server.start("127.0.0.1:0")
        await server.set_healthy(healthy=True)
        channel = open_channel(f"127.0.0.1:{port}", service=SERVICE)
        stack.push_async_callback(channel.close)
        yield Ledger(rig, ledger_pb2_grpc.LedgerServiceStub(channel))
