"""Unary methods called over streams that stay open."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from prometheus_client import CollectorRegistry

from mesh import callers, streamed
from mesh.channel import open_channel
from mesh.errors import Fault, Kind, invalid
from mesh.metrics import RpcMetrics
from mesh.server import Server
from mesh.streamed import SUFFIX
from tests.certificates import identity_of, ledger_echo, make, name_of
from tests.fakes import echo
from tests.wire.conftest import OpenChannel, StartEcho
from tests.wire.saying import PATH, Context, Streams, said, say_over


async def test_calls_follow_each_other_on_one_stream(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """The second call is a message on the stream that the first one opened."""
    handler = Streams()
    say = say_over(channel_to((await start_echo(say=handler)).address))
    assert [await said(say, text) for text in ("one", "two", "three")] == ["one over 0", "two over 0", "three over 0"]


async def test_calls_at_the_same_time_have_a_stream_each_and_get_their_own_answers(
    start_echo: StartEcho, channel_to: OpenChannel
) -> None:
    """However answers overtake each other, each goes to whoever asked."""

    async def slower_first(text: str, _context: Context) -> str:
        await asyncio.sleep(0.2 / (1 + int(text)))
        return text

    say = say_over(channel_to((await start_echo(say=slower_first)).address))
    for _ in range(3):
        asked = [str(number) for number in range(20)]
        assert await asyncio.gather(*(said(say, text) for text in asked)) == asked


async def test_a_stream_is_left_after_a_second(
    start_echo: StartEcho, channel_to: OpenChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls go on over a new one, which may be another replica's; the server sees the old one end."""
    monkeypatch.setattr(streamed, "_AGE_S_MAX", 0.05)
    handler = Streams()
    say = say_over(channel_to((await start_echo(say=handler)).address))
    assert await said(say, "one") == "one over 0"
    async with asyncio.timeout(5):
        while not handler.seen[0].done():  # type: ignore[attr-defined]  # noqa: ASYNC110 - the server's own event is inside gRPC
            await asyncio.sleep(0.01)
    assert await said(say, "two") == "two over 1"


async def test_a_refusal_has_its_reason_and_fields_and_the_next_call_works(
    start_echo: StartEcho, channel_to: OpenChannel
) -> None:
    """What the handler raises arrives as it does from the method itself."""

    async def picky(text: str, _context: Context) -> str:
        if text == "wrong":
            raise invalid("text", "must be right")
        return text

    say = say_over(channel_to((await start_echo(say=picky)).address))
    assert await said(say, "right") == "right"
    with pytest.raises(Fault) as raised:
        await said(say, "wrong")
    assert (raised.value.kind, raised.value.reason) == (Kind.INVALID, "INVALID_FIELD")
    assert [wrong.field for wrong in raised.value.fields] == ["text"]
    assert await said(say, "right again") == "right again"


async def test_a_bug_in_a_handler_stays_a_bug(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """It is INTERNAL, so that a batch is split, and never taken for a lost connection."""

    async def broken(_text: str, _context: Context) -> str:
        raise KeyError("secret")

    say = say_over(channel_to((await start_echo(say=broken)).address))
    with pytest.raises(Fault) as raised:
        await said(say, "hello")
    assert raised.value.kind is Kind.INTERNAL
    assert "secret" not in str(raised.value)


async def test_a_handler_learns_how_long_its_call_is_waited_for(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """Each call's time begins anew, whatever the age of the stream."""

    async def remaining(_text: str, context: Context) -> str:
        return str(context.time_remaining())

    say = say_over(channel_to((await start_echo(say=remaining)).address))
    await said(say, "first", timeout_s=2)
    await asyncio.sleep(0.2)
    assert 1.9 < float(await said(say, "second", timeout_s=2)) <= 2


@pytest.mark.parametrize("told", [(), (("call-timeout-ms", "soon"),), (("call-timeout-ms", "-5"),)])
async def test_a_stream_that_names_no_time_for_its_calls_is_refused(
    start_echo: StartEcho, channel_to: OpenChannel, told: tuple[tuple[str, str], ...]
) -> None:
    """A deadline is demanded of each call, over a stream as well."""
    channel = channel_to((await start_echo()).address)
    raw: Any = channel.stream_stream(f"{PATH}{SUFFIX}", StringValue.SerializeToString, StringValue.FromString)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw(timeout=5, metadata=told).read()
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "deadline" in str(raised.value.details())


async def test_a_stream_without_a_deadline_of_its_own_is_refused_before_it_says_anything(
    start_echo: StartEcho, channel_to: OpenChannel
) -> None:
    """Nobody may hold one of the server's places for ever."""
    channel = channel_to((await start_echo()).address)
    raw: Any = channel.stream_stream(f"{PATH}{SUFFIX}", StringValue.SerializeToString, StringValue.FromString)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await asyncio.wait_for(raw(metadata=(("call-timeout-ms", "1000"),)).read(), 5)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_server_of_an_earlier_version_is_called_without_streams(
    start_echo: StartEcho, channel_to: OpenChannel
) -> None:
    """It knows the method alone: while versions are mixed, nothing fails for that."""
    say = say_over(channel_to((await start_echo(streamed=())).address))
    assert [await said(say, text) for text in ("one", "two")] == ["one", "two"]


async def test_an_earlier_version_that_refuses_the_stream_before_the_request_left_fails_no_call(
    start_echo: StartEcho, channel_to: OpenChannel
) -> None:
    """Whether its refusal or our request is faster, the method itself is called."""
    channel = channel_to((await start_echo(streamed=())).address)
    for _ in range(200):
        # Each one anew, or it would remember.
        assert await said(say_over(channel), "hello") == "hello"


async def test_a_server_is_in_no_ring_of_references() -> None:
    """The collector, which runs wherever it likes, must not be who closes it."""
    gc.collect()
    gc.disable()
    try:
        server = Server(services=[echo.SERVICE], reflect=True, streamed=["Say"])
        echo.add(server.handlers)
        raw = weakref.ref(server._raw)
        del server
        assert raw() is None
    finally:
        gc.enable()


async def test_a_server_that_is_away_is_a_retryable_fault_and_its_return_is_noticed(
    start_echo: StartEcho, channel_to: OpenChannel
) -> None:
    """Streams that broke while nobody used them are not written to."""
    first = await start_echo()
    say = say_over(channel_to(first.address))
    assert await said(say, "before") == "before"
    await first.server.stop()
    with pytest.raises(Fault) as raised:
        await said(say, "away")
    assert raised.value.retryable


async def test_a_stop_in_the_middle_of_a_call_is_a_retryable_fault(
    start_echo: StartEcho, channel_to: OpenChannel
) -> None:
    """What was sent may have been done; the batcher sends it again, and what can't be doubled isn't."""
    started = asyncio.Event()

    async def endless(_text: str, _context: Context) -> str:
        started.set()
        await asyncio.sleep(30)
        return ""

    running = await start_echo(say=endless)
    task = asyncio.create_task(said(say_over(channel_to(running.address)), "hello"))
    async with asyncio.timeout(5):
        await started.wait()
    await running.server.stop()
    with pytest.raises(Fault) as raised:
        await task
    assert raised.value.retryable


async def test_a_drain_waits_for_no_idle_stream(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """A client leaves its stream within a second or so, well before the grace is over."""
    running = await start_echo()
    assert await said(say_over(channel_to(running.address)), "hello") == "hello"
    started_s = asyncio.get_running_loop().time()
    await running.server.drain(notice_s=0, grace_s=20)
    assert asyncio.get_running_loop().time() - started_s < 5


async def test_each_call_is_counted_under_its_methods_name(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """Whoever watches rates, errors and durations sees calls, not streams."""
    registry = CollectorRegistry()
    say = say_over(channel_to((await start_echo(metrics=RpcMetrics(registry))).address))
    for _ in range(3):
        await said(say, "hello")
    counted = registry.get_sample_value("rpc_server_duration_seconds_count", {"method": PATH})
    assert counted == 3


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with certificates of one authority."""
    return make(tmp_path / "certs")


@pytest.mark.parametrize("granted", ["edge=Say", "edge=*"])
async def test_a_caller_granted_the_method_may_call_it_over_a_stream(home: Path, granted: str) -> None:
    """The allow-list names methods as the contract does; the handler knows who calls."""

    async def caller_name(_text: str, _context: Context) -> str:
        return callers.current().name

    async with (
        ledger_echo(home, granted, say=caller_name) as address,
        open_channel(address, service=echo.SERVICE, identity=identity_of(home, "edge")) as channel,
    ):
        assert await said(say_over(channel), "hello") == name_of("edge")


async def test_a_caller_who_is_not_granted_the_method_is_refused_over_a_stream(home: Path) -> None:
    """There is no way round the allow-list."""
    async with (
        ledger_echo(home, "edge=Listen") as address,
        open_channel(address, service=echo.SERVICE, identity=identity_of(home, "edge")) as channel,
    ):
        with pytest.raises(Fault) as raised:
            await said(say_over(channel), "hello")
        assert raised.value.kind is Kind.FORBIDDEN
        raw: Any = channel.stream_stream(f"{PATH}{SUFFIX}", StringValue.SerializeToString, StringValue.FromString)
        with pytest.raises(grpc.aio.AioRpcError) as silent:
            await asyncio.wait_for(raw(timeout=9, metadata=(("call-timeout-ms", "1000"),)).read(), 5)
        assert silent.value.code() is grpc.StatusCode.PERMISSION_DENIED
