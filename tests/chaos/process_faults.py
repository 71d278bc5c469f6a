"""Faults of the mesh's own processes: killed, frozen, started anew."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final

from tests.chaos.scenario import PRIMARY_RECOVERY_S_MAX, WHOLE_RECOVERY_S_MAX, Scenario
from tests.chaos.world import Rig, World
from tests.mesh_processes import NAMES

_FROZEN_S: Final = 3.0
_SERVICES: Final = ("ingest", "ledger", "insight")


def _kill(name: str) -> Callable[[World], Awaitable[None]]:
    async def inject(world: World) -> None:
        world.recovery_counts()
        # Only the process itself, as the kernel's out-of-memory killer would; the supervisor starts it again.
        os.kill(world.mesh.process(name).pid, signal.SIGKILL)

    return inject


def _freeze(name: str) -> Callable[[World], Awaitable[None]]:
    async def inject(world: World) -> None:
        world.mesh.freeze(name)
        await asyncio.sleep(_FROZEN_S)
        world.recovery_counts()
        world.mesh.thaw(name)

    return inject


async def _kill_worker(world: World) -> None:
    worker = world.mesh.process("edge").children()[0]
    world.recovery_counts()
    worker.kill()


async def _freeze_worker(world: World) -> None:
    worker = world.mesh.process("edge").children()[0]
    worker.suspend()
    await asyncio.sleep(_FROZEN_S)
    world.recovery_counts()
    worker.resume()


async def _restart_everything(world: World) -> None:
    """Told to end in the order in which a deployment goes, everything drains; the supervisor starts it again."""
    for name in reversed(NAMES):
        os.kill(world.mesh.process(name).pid, signal.SIGTERM)
    world.recovery_counts()


async def _power_cut(world: World) -> None:
    for index in range(len(world.mongo.pids)):
        world.mongo.kill(index)
    for name in NAMES:
        os.kill(world.mesh.process(name).pid, signal.SIGKILL)
    await asyncio.sleep(0.5)
    world.recovery_counts()
    for index in range(len(world.mongo.pids)):
        world.mongo.restart(index)


async def _kill_one_of_two_ledgers(world: World) -> None:
    """Both replicas get the same facts at once, in several ways to write them; then one of them dies."""
    assert world.second_ledger is not None
    world.recovery_counts()
    races = [asyncio.create_task(_race(world)) for _ in range(40)]
    await asyncio.sleep(0.3)
    os.kill(world.second_ledger.pid, signal.SIGKILL)
    await asyncio.gather(*races)


async def _race(world: World) -> None:
    fact = world.traffic.fact()
    await asyncio.gather(*(world.traffic.attempt(fact, variant=number % 3) for number in range(6)))
    await world.traffic.deliver(fact)


SCENARIOS: Final = (
    Scenario(
        name="edge-worker-killed",
        promise="kill -9 of one of two edge workers: the other goes on, the supervisor starts it again",
        inject=_kill_worker,
        short=True,
    ),
    Scenario(
        name="edge-worker-frozen",
        promise="one of two edge workers stands still for 3 s (SIGSTOP): the other goes on",
        inject=_freeze_worker,
    ),
    *(
        Scenario(
            name=f"{name}-killed",
            promise=f"kill -9 of {name}: it is started again"
            + (", and nobody notices: insight can't fail a webhook" if name == "insight" else ""),
            inject=_kill(name),
            unnoticed=name == "insight",
            short=name == "ledger",
        )
        for name in _SERVICES
    ),
    *(
        Scenario(
            name=f"{name}-frozen",
            promise=f"{name} stands still for 3 s (SIGSTOP) and goes on"
            + (", and nobody notices" if name == "insight" else ""),
            inject=_freeze(name),
            unnoticed=name == "insight",
        )
        for name in _SERVICES
    ),
    Scenario(
        name="restart-under-load",
        promise="SIGTERM to all four processes at once: what was accepted is answered, all come back",
        inject=_restart_everything,
        recovery_s_max=WHOLE_RECOVERY_S_MAX,
    ),
    Scenario(
        name="power-cut",
        promise="kill -9 of every process and of every member of the replica set at once",
        inject=_power_cut,
        recovery_s_max=WHOLE_RECOVERY_S_MAX,
    ),
    Scenario(
        name="ledgers-racing",
        promise="two replicas of the ledger get every fact of 40 payments six times at once, then one is killed",
        inject=_kill_one_of_two_ledgers,
        rig=Rig(ledgers=2),
        recovery_s_max=PRIMARY_RECOVERY_S_MAX - 1,
    ),
)
