"""Faults between processes, and what comes from outside: cut and slow links, a wrong clock, poison, a flood."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from tests.chaos.history import Sort
from tests.chaos.scenario import Scenario
from tests.chaos.world import Rig, World

_CUT_S: Final = 3.0
_SLOW_S: Final = 4.0
# There and back is more than any hop waits: what is recorded is answered too late.
_DELAY_S: Final = 0.8
_OFF_S: Final = 600.0
_WRONG_S: Final = 3.0
_CONNECTIONS: Final = 1_000
_FLOOD_S: Final = 4.0
_LINKED: Final = Rig(linked=True)
_POISONS: Final[tuple[Mapping[str, object], ...]] = (
    {"amount": 2**70},
    {"description": "half a pair: \ud800"},
    {"event_id": "a\0b"},
    {"status": "\ud800"},
)


def _cut(name: str) -> Callable[[World], Awaitable[None]]:
    async def inject(world: World) -> None:
        await world.links[name].cut()
        await asyncio.sleep(_CUT_S)
        world.recovery_counts()
        await world.links[name].mend()

    return inject


def _silence(name: str) -> Callable[[World], Awaitable[None]]:
    async def inject(world: World) -> None:
        world.links[name].silence()
        await asyncio.sleep(_CUT_S)
        world.recovery_counts()
        await world.links[name].mend()

    return inject


def _slow_down(name: str) -> Callable[[World], Awaitable[None]]:
    async def inject(world: World) -> None:
        world.links[name].slow_down(_DELAY_S)
        await asyncio.sleep(_SLOW_S)
        world.recovery_counts()
        await world.links[name].mend()

    return inject


def _misset(offset_s: float) -> Callable[[World], Awaitable[None]]:
    async def inject(world: World) -> None:
        assert world.clock is not None
        world.clock.step(offset_s)
        wrong_since_s = time.monotonic()
        await asyncio.sleep(_WRONG_S)
        meanwhile = [
            attempt.status
            for fact in world.traffic.history
            for attempt in fact.attempts
            if fact.sort is Sort.HONEST and attempt.sent_s > wrong_since_s
        ]
        world.recovery_counts()
        world.clock.step(0.0)
        assert meanwhile, "nothing was sent while the clock was wrong"
        assert set(meanwhile) == {408}, f"a clock off by {offset_s:g} s got {sorted(set(meanwhile))}"

    return inject


async def _poison(world: World) -> None:
    """Poison travels with good deliveries: ingest stands still meanwhile, so that they leave the edge together."""
    traffic = world.traffic
    world.mesh.freeze("ingest")
    try:
        good = [asyncio.create_task(traffic.deliver(traffic.fact())) for _ in range(60)]
        bad = [asyncio.create_task(_send_poison(world, fields)) for fields in _POISONS]
        await asyncio.sleep(0.7)
    finally:
        world.recovery_counts()
        world.mesh.thaw("ingest")
    await asyncio.gather(*good, *bad)


async def _send_poison(world: World, fields: Mapping[str, object]) -> None:
    fact = world.traffic.fact(sort=Sort.INVALID)
    await world.traffic.deliver(fact, fields=fields)


async def _flood(world: World) -> None:
    """A thousand connections, half of them silent, half in the middle of a request that they never finish."""
    host, _, port = world.mesh.addresses["edge"].rpartition(":")
    half = b"POST /webhooks/payments HTTP/1.1\r\nHost: edge\r\nContent-Length: 200000\r\n\r\n" + b"x" * 1_000
    world.recovery_counts()
    writers = []
    try:
        for number in range(_CONNECTIONS):
            with suppress(OSError):
                _, writer = await asyncio.open_connection(host, int(port))
                writers.append(writer)
                if number % 2:
                    writer.write(half)
        assert len(writers) > _CONNECTIONS / 2, f"only {len(writers)} connections were taken"
        await asyncio.sleep(_FLOOD_S)
    finally:
        for writer in writers:
            writer.transport.abort()


_HOPS: Final = ("edge-ingest", "ingest-ledger")

SCENARIOS: Final = (
    *(
        Scenario(
            name=f"{hop}-cut",
            promise=f"every connection {hop.replace('-', ' → ')} breaks and new ones are refused for 3 s",
            inject=_cut(hop),
            rig=_LINKED,
        )
        for hop in _HOPS
    ),
    *(
        Scenario(
            name=f"{hop}-silent",
            promise=f"nothing gets through {hop.replace('-', ' → ')} for 3 s, then everything that was sent does",
            inject=_silence(hop),
            rig=_LINKED,
        )
        for hop in _HOPS
    ),
    *(
        Scenario(
            name=f"{hop}-slow",
            promise=f"{hop.replace('-', ' → ')} takes 0.8 s each way for 4 s: what is recorded is answered too late",
            inject=_slow_down(hop),
            rig=_LINKED,
        )
        for hop in _HOPS
    ),
    Scenario(
        name="clock-fast",
        promise="the edge's clock is 10 minutes ahead for 3 s: every verified delivery gets 408 (it looks 600 s old)",
        inject=_misset(_OFF_S),
        rig=Rig(steered=True),
        also_answered=frozenset({408}),
    ),
    Scenario(
        name="clock-slow",
        promise="the edge's clock is 10 minutes behind for 3 s: every verified delivery gets 408 (it looks signed in "
        "the future)",
        inject=_misset(-_OFF_S),
        rig=Rig(steered=True),
        also_answered=frozenset({408}),
    ),
    Scenario(
        name="poison",
        promise="deliveries that can't be stored travel in one batch with 60 good ones: they get 422, the others 200",
        inject=_poison,
        short=True,
    ),
    Scenario(
        name="connection-flood",
        promise="1,000 connections to the edge, half of them silent, half with a body that never ends",
        inject=_flood,
    ),
)
