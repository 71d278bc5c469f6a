"""Faults of what the mesh stores in: MongoDB's members, their disk, Redis."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from autopay_cli.embedded_mongo import EmbeddedMongo
from tests.chaos.scenario import PRIMARY_RECOVERY_S_MAX, WHOLE_RECOVERY_S_MAX, Scenario
from tests.chaos.traffic import until
from tests.chaos.world import Rig, World, why_no_small_disk
from tests.redis_server import why_no_redis

_FROZEN_S: Final = 3.0
_DEAD_S: Final = 4.0
_FULL_S_MAX: Final = 30.0


async def _kill_primary(world: World) -> None:
    primary = await asyncio.to_thread(world.mongo.primary)
    world.recovery_counts()
    world.mongo.kill(primary)
    await world.recovered(within_s=2 * PRIMARY_RECOVERY_S_MAX)
    world.mongo.restart(primary)


async def _freeze_primary(world: World) -> None:
    """Longer than an election waits; the old primary, waking, must give way, and what only it has is rolled back."""
    primary = await asyncio.to_thread(world.mongo.primary)
    world.mongo.freeze(primary)
    await asyncio.sleep(_DEAD_S)
    world.recovery_counts()
    world.mongo.thaw(primary)


async def _freeze_secondaries(world: World) -> None:
    primary = await asyncio.to_thread(world.mongo.primary)
    others = [index for index in range(len(world.mongo.pids)) if index != primary]
    for index in others:
        world.mongo.freeze(index)
    await asyncio.sleep(_FROZEN_S)
    world.recovery_counts()
    for index in others:
        world.mongo.thaw(index)


async def _kill_redis(world: World) -> None:
    assert world.redis is not None
    world.recovery_counts()
    world.redis.kill()
    await asyncio.sleep(_DEAD_S)
    await asyncio.to_thread(world.redis.start)


async def _freeze_redis(world: World) -> None:
    assert world.redis is not None
    world.recovery_counts()
    world.redis.freeze()
    await asyncio.sleep(_FROZEN_S)
    world.redis.thaw()


async def _fill_disk(world: World) -> None:
    """A mongod that can't write its journal or a checkpoint ends itself; with room again it starts as it was."""
    assert world.disk is not None
    filler = world.disk / "filler"
    await asyncio.to_thread(_fill, filler)
    [member] = world.mongo.children
    await asyncio.to_thread(_force_checkpoints, world.mongo)
    died = await until(lambda: not member.alive, within_s=_FULL_S_MAX)
    assert died, "mongod goes on with a full disk"
    await asyncio.sleep(1.0)
    filler.unlink()
    world.recovery_counts()
    world.mongo.restart(0)


def _fill(path: Path) -> None:
    with path.open("wb") as file:
        free = shutil.disk_usage(path.parent).free
        try:
            while free > 0:
                free -= file.write(bytes(min(free, 1_048_576)))
                file.flush()
        except OSError:
            # Full, which is the point.
            return


def _force_checkpoints(mongo: EmbeddedMongo) -> None:
    """What happens by itself once a minute."""
    with MongoClient[dict[str, object]](mongo.url, serverSelectionTimeoutMS=1_000, socketTimeoutMS=5_000) as client:
        for _ in range(5):
            try:
                client.admin.command("fsync")
            except PyMongoError:
                return


SCENARIOS: Final = (
    Scenario(
        name="primary-killed",
        promise="kill -9 of the primary of three: another is elected, the dead one comes back later",
        inject=_kill_primary,
        recovery_s_max=PRIMARY_RECOVERY_S_MAX,
        short=True,
    ),
    Scenario(
        name="primary-frozen",
        promise="the primary of three stands still for 4 s (SIGSTOP), long enough for an election, then wakes",
        inject=_freeze_primary,
        recovery_s_max=PRIMARY_RECOVERY_S_MAX,
    ),
    Scenario(
        name="secondaries-frozen",
        promise="both secondaries stand still for 3 s: without a majority nothing is acknowledged",
        inject=_freeze_secondaries,
        recovery_s_max=PRIMARY_RECOVERY_S_MAX,
    ),
    Scenario(
        name="redis-killed",
        promise="kill -9 of Redis, where limits are counted: everything passes, and nobody notices",
        inject=_kill_redis,
        unnoticed=True,
        why_not=why_no_redis,
    ),
    Scenario(
        name="redis-frozen",
        promise="Redis stands still for 3 s (SIGSTOP): everything passes, and nobody notices",
        inject=_freeze_redis,
        unnoticed=True,
        why_not=why_no_redis,
    ),
    Scenario(
        name="disk-full",
        promise="the disk under a lone mongod fills up until it ends itself; with room again it goes on",
        inject=_fill_disk,
        rig=Rig(members=1, small_disk=True),
        recovery_s_max=WHOLE_RECOVERY_S_MAX,
        why_not=why_no_small_disk,
    ),
)
