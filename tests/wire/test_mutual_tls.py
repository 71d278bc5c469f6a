"""Mutual TLS over real connections: who can connect, who is let in, what each may write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from mesh import callers
from mesh.callers import admission
from mesh.channel import call, open_channel
from mesh.errors import Fault, Kind
from mesh.server import Server
from tests.certificates import identity_of, ledger_echo, make, name_of
from tests.fakes import echo

Context = grpc.aio.ServicerContext[Any, Any]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with certificates of one authority."""
    return make(tmp_path / "certs")


async def caller_name(text: str, context: Context) -> str:
    """Answer with the name of the caller, after it has shown that it may write what it sent."""
    caller = callers.current()
    caller.demand(text)
    return caller.name


async def stream_caller(text: str, context: Context) -> AsyncIterator[str]:
    """Stream the name of the caller."""
    yield callers.current().name


async def say(address: str, home: Path | None, process: str = "edge", *, text: str = "hello") -> str:
    """Call `Say` as a process with its certificate, or in plaintext."""
    identity = identity_of(home, process) if home else None
    async with open_channel(address, service=echo.SERVICE, identity=identity) as channel:
        return str((await call(echo.Stub(channel).say, echo.text(text), timeout_s=3)).value)


async def test_a_granted_caller_is_known_by_its_spiffe_id(home: Path) -> None:
    """The handler learns who calls, in a call and in a stream."""
    async with ledger_echo(home, "edge=*", writers="edge=*", say=caller_name, listen=stream_caller) as address:
        assert await say(address, home) == name_of("edge")
        async with open_channel(address, service=echo.SERVICE, identity=identity_of(home, "edge")) as channel:
            heard = echo.Stub(channel).listen(echo.text("hello"), timeout=3)
            assert [answer.value async for answer in heard] == [name_of("edge")]


async def test_without_a_certificate_the_handshake_fails(home: Path) -> None:
    """A client that shows no certificate doesn't get a connection, so no handler and no health either."""
    async with ledger_echo(home, "edge=*") as address:
        credentials = grpc.ssl_channel_credentials((home / "ca.pem").read_bytes())
        async with grpc.aio.secure_channel(address, credentials) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            for attempt in (
                echo.Stub(channel).say(echo.text("hello"), timeout=3),
                health.Check(health_pb2.HealthCheckRequest(), timeout=3),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await attempt
                assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_of_another_authority_fails_the_handshake(home: Path, tmp_path: Path) -> None:
    """The same name signed by somebody else is nobody; the server is told apart in the same way."""
    others = make(tmp_path / "others")
    async with ledger_echo(home, "edge=*") as address:
        # It believes the server; the server doesn't believe it.
        pem = [path.read_bytes() for path in (home / "ca.pem", others / "edge.key", others / "edge.pem")]
        credentials = grpc.ssl_channel_credentials(*pem)
        async with grpc.aio.secure_channel(address, credentials) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await echo.Stub(channel).say(echo.text("hello"), timeout=3)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(Fault) as unbelieved:
            await say(address, others)
        assert unbelieved.value.kind is Kind.UNAVAILABLE


async def test_a_server_under_another_host_name_is_not_believed(home: Path) -> None:
    """The server's certificate must carry the name it is called by."""
    async with ledger_echo(home, "edge=*") as address:
        port = address.rpartition(":")[2]
        assert await say(f"localhost:{port}", home) == "hello"
        with pytest.raises(Fault) as raised:
            await say(f"127.0.0.2:{port}", home)
        assert raised.value.kind is Kind.UNAVAILABLE


async def test_plaintext_to_a_tls_port_fails(home: Path) -> None:
    """A client that was not told of TLS gets no answer from a server that demands it."""
    async with ledger_echo(home, "edge=*") as address:
        with pytest.raises(Fault) as raised:
            await say(address, None)
        assert raised.value.kind is Kind.UNAVAILABLE


async def test_a_method_that_is_not_granted_is_permission_denied(home: Path) -> None:
    """Known certificate, other method: PERMISSION_DENIED with FORBIDDEN and the caller, before the handler runs."""
    ran = []

    async def note(text: str, context: Context) -> str:
        ran.append(text)
        return text

    async with ledger_echo(home, "edge=Listen;ingest=Say,Talk", say=note) as address:
        assert await say(address, home, "ingest") == "hello"
        async with open_channel(address, service=echo.SERVICE, identity=identity_of(home, "edge")) as channel:
            stub = echo.Stub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.say(echo.text("hello"), timeout=3)
            with pytest.raises(grpc.aio.AioRpcError) as streamed:
                [answer async for answer in stub.talk(iter([echo.text("hello")]), timeout=3)]
            assert [answer async for answer in stub.listen(echo.text("hello"), timeout=3)] == []
    for refusal in (raised.value, streamed.value):
        assert refusal.code() is grpc.StatusCode.PERMISSION_DENIED
        status = rpc_status.from_call(refusal)  # type: ignore[arg-type]  # an AioRpcError has what it reads
        assert status is not None
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        assert (info.domain, info.reason, info.metadata["caller"]) == ("autopay", "FORBIDDEN", name_of("edge"))
    assert ran == ["hello"]


async def test_a_caller_that_is_not_listed_is_permission_denied(home: Path) -> None:
    """A certificate of our own authority alone opens nothing."""
    async with ledger_echo(home, "ingest=*") as address:
        for stranger in ("edge", "insight", "ledger"):
            with pytest.raises(Fault) as raised:
                await say(address, home, stranger)
            assert (raised.value.kind, raised.value.reason) == (Kind.FORBIDDEN, "FORBIDDEN")


async def test_writing_elsewhere_is_permission_denied(home: Path) -> None:
    """A caller writes the namespaces that it was granted; two callers don't get into each other's."""
    async with ledger_echo(home, "edge=*;ingest=*", writers="edge=a,b;ingest=*", say=caller_name) as address:
        for text in ("a", "b"):
            assert await say(address, home, text=text) == name_of("edge")
        with pytest.raises(Fault) as raised:
            await say(address, home, text="c")
        assert (raised.value.kind, raised.value.metadata["source"]) == (Kind.FORBIDDEN, "c")
        assert await say(address, home, "ingest", text="c") == name_of("ingest")
        assert await say(address, home, text="a") == name_of("edge")


async def test_the_health_port_serves_health_and_nothing_else(home: Path) -> None:
    """A probe without TLS reads the same health on a port of its own, where no method of ours is."""
    admitted = admission(identity_of(home, "ledger"), "ledger", service=echo.SERVICE, callers="edge=*")
    server = Server(services=[echo.SERVICE], reflect=False, admission=admitted)
    echo.add(server.handlers)
    await server.start("127.0.0.1:0")
    port = await server.start_health("127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        seen = []
        for healthy in (False, True, False):
            await server.set_healthy(healthy=healthy)
            seen.append((await health.Check(health_pb2.HealthCheckRequest(service=echo.SERVICE), timeout=3)).status)
        assert seen == [2, 1, 2]
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await echo.Stub(channel).say(echo.text("hello"), timeout=3)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await server.drain(notice_s=0, grace_s=0)


async def test_no_address_is_no_health_port(home: Path) -> None:
    """The port is off where nobody asked for it."""
    assert await Server(services=[], reflect=False).start_health("") == 0
