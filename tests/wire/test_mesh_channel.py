"""Channels over real connections: every healthy replica gets its share, a draining one gets none, no call is lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import grpc
import pytest

from mesh.channel import call
from mesh.errors import Fault, Kind
from tests.fakes import echo
from tests.wire.conftest import OpenChannel, StartEcho

Context = grpc.aio.ServicerContext[Any, Any]


def named(name: str, *, delay_s: float = 0.0) -> echo.Unary:
    """Return a handler that answers with its replica's name, after a while."""

    async def say(text: str, context: Context) -> str:
        await asyncio.sleep(delay_s)
        return name

    return say


def target_of(*addresses: str) -> str:
    """Return the target of several replicas, as a headless name resolves to them."""
    return "ipv4:" + ",".join(addresses)


async def ask(stub: echo.Stub, count: int) -> Counter[str]:
    """Call one after the other and count who answered."""
    answers = [(await call(stub.say, echo.text("who"), timeout_s=5)).value for _ in range(count)]
    return Counter(answers)


async def until_both_answer(stub: echo.Stub) -> None:
    """Call until both replicas' connections are up."""
    async with asyncio.timeout(5):
        while len(await ask(stub, 4)) < 2:
            pass


async def outcome(stub: echo.Stub) -> Kind | None:
    """Return the kind of fault a call ends with, None where it is answered."""
    try:
        await call(stub.say, echo.text("who"), timeout_s=1)
    except Fault as fault:
        return fault.kind
    return None


async def until(stub: echo.Stub, wanted: Kind | None) -> None:
    """Call until the outcome is the wanted one."""
    async with asyncio.timeout(3):
        while await outcome(stub) is not wanted:
            pass


async def test_calls_go_round_all_replicas(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """Two healthy replicas get the same number of calls."""
    one, two = await start_echo(say=named("one")), await start_echo(say=named("two"))
    stub = echo.Stub(channel_to(target_of(one.address, two.address)))
    await until_both_answer(stub)
    assert await ask(stub, 40) == {"one": 20, "two": 20}


async def test_a_replica_that_is_not_healthy_gets_no_calls(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """A replica that listens and does not report SERVING is left out, and taken in once it does."""
    one = await start_echo(say=named("one"))
    two = await start_echo(say=named("two"), healthy=False)
    stub = echo.Stub(channel_to(target_of(one.address, two.address)))
    assert await ask(stub, 20) == {"one": 20}
    await two.server.set_healthy(healthy=True)
    await until_both_answer(stub)


async def test_without_a_healthy_replica_a_call_fails_at_once(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """Where nobody is healthy the caller is told UNAVAILABLE, which it may retry, long before its deadline."""
    running = await start_echo(healthy=False)
    stub = echo.Stub(channel_to(running.address))
    started = time.monotonic()
    with pytest.raises(Fault) as raised:
        await call(stub.say, echo.text("who"), timeout_s=5)
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "DEPENDENCY_DOWN")
    assert raised.value.retryable
    assert time.monotonic() - started < 2


async def test_a_replica_that_comes_back_is_used_again(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """After an outage the channel connects again by itself, within about a second."""
    running = await start_echo()
    stub = echo.Stub(channel_to(running.address))
    assert await outcome(stub) is None
    await running.server.set_healthy(healthy=False)
    await until(stub, Kind.UNAVAILABLE)
    await running.server.set_healthy(healthy=True)
    await until(stub, None)


async def test_a_drain_loses_no_call(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """While one of two replicas drains under load, every call is answered and the callers move to the other."""
    one = await start_echo(say=named("one", delay_s=0.005))
    two = await start_echo(say=named("two", delay_s=0.005))
    stub = echo.Stub(channel_to(target_of(one.address, two.address)))
    await until_both_answer(stub)
    answers: list[str] = []
    done = asyncio.Event()

    async def caller() -> None:
        while not done.is_set():
            answers.append((await call(stub.say, echo.text("who"), timeout_s=5)).value)

    callers = [asyncio.ensure_future(caller()) for _ in range(8)]
    await asyncio.sleep(0.1)
    await one.server.drain(notice_s=0.2, grace_s=5)
    moved_at = len(answers)
    await asyncio.sleep(0.1)
    done.set()
    await asyncio.gather(*callers)
    assert set(answers[:20]) == {"one", "two"}
    assert len(answers) > moved_at
    assert set(answers[moved_at:]) == {"two"}


async def test_a_drain_finishes_the_call_that_is_there(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """A call that was accepted before the drain gets its answer, and the drain then does not wait any longer."""
    running = await start_echo(say=named("one", delay_s=0.4))
    stub = echo.Stub(channel_to(running.address))
    calling = asyncio.ensure_future(call(stub.say, echo.text("who"), timeout_s=5))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    await running.server.drain(notice_s=0.05, grace_s=5)
    assert (await calling).value == "one"
    assert time.monotonic() - started < 1


async def test_a_drain_ends_with_its_grace(
    start_echo: StartEcho, channel_to: OpenChannel, capfd: pytest.CaptureFixture[str]
) -> None:
    """A call that does not end is cut off when the grace is over, as UNAVAILABLE, which its caller may retry."""
    running = await start_echo(say=named("one", delay_s=60))
    stub = echo.Stub(channel_to(running.address))
    calling = asyncio.ensure_future(call(stub.say, echo.text("who"), timeout_s=5))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    await running.server.drain(notice_s=0, grace_s=0.3)
    assert 0.2 < time.monotonic() - started < 2
    with pytest.raises(Fault) as raised:
        await calling
    assert raised.value.retryable
