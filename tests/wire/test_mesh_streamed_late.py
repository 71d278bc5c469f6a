"""Calls over streams that are given up: out of time, or cancelled."""

from __future__ import annotations

import asyncio
import gc

import pytest

from mesh import streamed
from mesh.errors import Fault, Kind
from tests.wire.conftest import OpenChannel, StartEcho
from tests.wire.saying import Context, Streams, said, say_over


async def test_a_late_answer_is_a_timeout_and_reaches_nobody(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """The next call must not take it for its own: it has another stream until the answer came, and then the same."""
    streams = Streams()

    async def sleepy(text: str, context: Context) -> str:
        if text == "slow":
            await asyncio.sleep(0.3)
        return await streams(text, context)

    say = say_over(channel_to((await start_echo(say=sleepy)).address))
    with pytest.raises(Fault) as raised:
        await said(say, "slow", timeout_s=0.1)
    assert raised.value.kind is Kind.TIMEOUT
    assert raised.value.retryable
    assert await said(say, "fast") == "fast over 0"
    await asyncio.sleep(0.3)
    assert {await said(say, text) for text in ("one", "two")} == {"one over 0", "two over 1"}


async def test_more_late_answers_than_are_waited_for_are_cancelled(
    start_echo: StartEcho, channel_to: OpenChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs must not gather streams: beyond a few, a call that runs out of time ends there, too."""
    monkeypatch.setattr(streamed, "_LATE_MAX", 2)
    waiting, cancelled = set[str](), set[str]()

    async def hanging(text: str, _context: Context) -> str:
        waiting.add(text)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.add(text)
            raise
        return text

    say = say_over(channel_to((await start_echo(say=hanging)).address))
    for text in "abcd":
        with pytest.raises(Fault):
            await said(say, text, timeout_s=0.1)
    async with asyncio.timeout(5):
        while cancelled != {"c", "d"}:  # noqa: ASYNC110 - the handlers tell nobody
            await asyncio.sleep(0.01)
    assert waiting == set("abcd")


async def test_calls_that_ran_out_of_time_leave_nothing_behind(
    start_echo: StartEcho, channel_to: OpenChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither side holds the request of a call that ran out of time, nor leaves it to the collector of garbage."""
    monkeypatch.setattr(streamed, "_AGE_S_MAX", 0.3)

    async def sleepy(text: str, _context: Context) -> str:
        await asyncio.sleep(0.1)
        return text

    def held() -> int:
        names = ("RPCState", "StreamStreamCall", "StringValue")
        return sum(type(each).__name__ in names for each in gc.get_objects())

    say = say_over(channel_to((await start_echo(say=sleepy)).address))
    gc.collect()
    gc.disable()
    try:
        before = held()
        for _ in range(50):
            with pytest.raises(Fault):
                await said(say, "slow", timeout_s=0.01)
        await asyncio.sleep(0.5)
        assert held() - before < 10
    finally:
        gc.enable()


async def test_a_cancelled_call_gives_its_stream_up(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """The handler is cancelled as in any call, and the next call has another stream."""
    cancelled = asyncio.Event()

    async def waiting(text: str, _context: Context) -> str:
        if text == "wait":
            try:
                await asyncio.sleep(30)
            finally:
                cancelled.set()
        return text

    say = say_over(channel_to((await start_echo(say=waiting)).address))
    task = asyncio.create_task(said(say, "wait"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await cancelled.wait()
    assert await said(say, "go on") == "go on"
