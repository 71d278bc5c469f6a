"""A guarded server over a real connection: deadlines, bugs, bytes, health, addresses."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from mesh.channel import call
from mesh.errors import Fault, Kind
from mesh.metrics import RpcMetrics
from mesh.server import Server
from tests.fakes import echo
from tests.wire.conftest import OpenChannel, StartEcho

Context = grpc.aio.ServicerContext[Any, Any]


async def bug(text: str, context: Context) -> str:
    """Fail as unexpected code does."""
    raise LookupError(f"a secret detail of {text}")


async def stream_then_bug(text: str, context: Context) -> AsyncIterator[str]:
    """Answer once, then fail."""
    yield text
    raise LookupError(f"a secret detail of {text}")


async def status_of(attempt: Any) -> grpc.aio.AioRpcError:
    """Return the error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await attempt
    return raised.value


async def test_a_call_with_a_deadline_is_answered(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """A handler's answer reaches the caller."""
    running = await start_echo()
    stub = echo.Stub(channel_to(running.address))
    assert (await call(stub.say, echo.text("hello"), timeout_s=5)).value == "hello"


async def test_a_call_without_a_deadline_is_refused(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """A unary call that nobody would ever give up is INVALID_ARGUMENT with the reason DEADLINE_REQUIRED."""
    called = []

    async def say(text: str, context: Context) -> str:
        called.append(text)
        return text

    stub = echo.Stub(channel_to((await start_echo(say=say)).address))
    error = await status_of(stub.say(echo.text("hello")))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(Fault, match="DEADLINE_REQUIRED"):
        await call(lambda request, timeout: stub.say(request), echo.text("hello"), timeout_s=5)
    assert called == []


@pytest.mark.parametrize("method", ["listen", "talk"])
async def test_a_stream_without_a_deadline_is_refused(
    method: str, start_echo: StartEcho, channel_to: OpenChannel
) -> None:
    """Streams need a deadline as well, in either direction."""
    stub = echo.Stub(channel_to((await start_echo()).address))
    request = echo.text("hello") if method == "listen" else iter([echo.text("hello")])
    stream = getattr(stub, method)(request)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        [answer async for answer in stream]
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_both_ways_is_guarded_and_served(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """Requests and answers of a two-way stream pass the guard one by one."""
    stub = echo.Stub(channel_to((await start_echo()).address))
    requests = iter([echo.text("a"), echo.text("b")])
    assert [answer.value async for answer in stub.talk(requests, timeout=5)] == ["a", "b"]


async def test_a_bug_is_a_bare_internal_with_its_traceback_in_the_log(
    start_echo: StartEcho, channel_to: OpenChannel, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error tells the caller nothing but INTERNAL; the log has everything."""
    stub = echo.Stub(channel_to((await start_echo(say=bug)).address))
    with caplog.at_level(logging.ERROR), pytest.raises(Fault) as raised:
        await call(stub.say, echo.text("hello"), timeout_s=5)
    assert (raised.value.kind, raised.value.reason) == (Kind.INTERNAL, "INTERNAL")
    assert "secret" not in raised.value.message
    assert f"/{echo.SERVICE}/Say" in caplog.text
    assert "LookupError: a secret detail of hello" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_bug_in_a_stream_ends_it_with_internal(
    start_echo: StartEcho, channel_to: OpenChannel, caplog: pytest.LogCaptureFixture
) -> None:
    """What was streamed before the bug arrives; then the stream ends with a bare INTERNAL."""
    stub = echo.Stub(channel_to((await start_echo(listen=stream_then_bug)).address))
    stream = stub.listen(echo.text("hello"), timeout=5)
    with caplog.at_level(logging.ERROR):
        assert (await stream.read()).value == "hello"
        error = await status_of(stream.read())
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")
    assert "a secret detail" in caplog.text


async def test_bytes_that_are_no_message_fail_their_call_alone(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """An undecodable request counts as INTERNAL for its sender, and the next call on the connection is served."""
    stub = echo.Stub(channel_to((await start_echo()).address))
    with pytest.raises(Fault) as raised:
        await call(stub.say_bytes, b"\x0a\xff\xff", timeout_s=5)
    assert raised.value.kind is Kind.INTERNAL
    assert (await call(stub.say, echo.text("hello"), timeout_s=5)).value == "hello"


async def test_an_unknown_method_is_unimplemented(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """A method that no servicer has is refused as UNIMPLEMENTED, and is no bug."""
    stub = echo.Stub(channel_to((await start_echo()).address))
    with pytest.raises(Fault, match="NOT_IMPLEMENTED"):
        await call(stub.missing, echo.text("hello"), timeout_s=5)


async def test_health_is_not_serving_until_it_is_set(start_echo: StartEcho) -> None:
    """Neither the service nor the whole server reports SERVING before the process says that it is ready."""
    running = await start_echo(healthy=False)
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for service in (echo.SERVICE, ""):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        await running.server.set_healthy(healthy=True)
        for service in (echo.SERVICE, ""):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_probes_need_no_deadline(start_echo: StartEcho) -> None:
    """Health checks are not ours to guard: a probe without a deadline is answered."""
    running = await start_echo()
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_is_there_only_where_asked_for(start_echo: StartEcho) -> None:
    """A server in production does not describe itself."""
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    found = {}
    for reflect in (False, True):
        running = await start_echo(reflect=reflect)
        async with grpc.aio.insecure_channel(running.address) as channel:
            call_it: Any = channel.stream_stream(method)
            stream = call_it(iter([b"\x3a\x00"]), timeout=5)
            try:
                found[reflect] = echo.SERVICE.encode() in b"".join([answer async for answer in stream])
            except grpc.aio.AioRpcError as error:
                found[reflect] = error.code() is not grpc.StatusCode.UNIMPLEMENTED
    assert found == {False: False, True: True}


async def test_a_taken_port_is_one_clear_line(caplog: pytest.LogCaptureFixture) -> None:
    """An address that can't be bound is an OSError of one line that names it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = Server(services=[echo.SERVICE], reflect=False)
        with pytest.raises(OSError, match=f"can't listen on {address}") as raised:
            await server.start(address)
    assert "\n" not in str(raised.value)


async def test_two_servers_never_share_a_port(start_echo: StartEcho) -> None:
    """A second server on the same port is refused instead of silently taking half of the calls."""
    running = await start_echo()
    second = Server(services=[echo.SERVICE], reflect=False)
    with pytest.raises(OSError, match="can't listen"):
        await second.start(running.address)


async def test_calls_are_measured_by_method_and_code(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """Answers, refusals and bugs are counted under their method and gRPC code."""
    registry = CollectorRegistry()
    stub = echo.Stub(channel_to((await start_echo(metrics=RpcMetrics(registry))).address))
    await stub.say(echo.text("hello"), timeout=5)
    await status_of(stub.say(echo.text("hello")))
    for code, count in (("OK", 1.0), ("INVALID_ARGUMENT", 1.0), ("INTERNAL", None)):
        labels = {"method": f"/{echo.SERVICE}/Say", "code": code}
        assert registry.get_sample_value("rpc_server_calls_total", labels) == count


async def test_a_deadline_holds_for_the_caller(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """A handler that takes longer than the deadline is a TIMEOUT for the caller when the deadline passes."""

    async def slow(text: str, context: Context) -> str:
        await asyncio.sleep(2)
        return text

    stub = echo.Stub(channel_to((await start_echo(say=slow)).address))
    started = time.monotonic()
    with pytest.raises(Fault) as raised:
        await call(stub.say, echo.text("hello"), timeout_s=0.1)
    assert raised.value.kind is Kind.TIMEOUT
    assert time.monotonic() - started < 1
