"""Saving: spread over time unless somebody waits for it."""

from __future__ import annotations

import asyncio
import time

import structlog

from services.insight.cache import CacheLimits, ProfileCache
from services.insight.keeping import VectorKeeper
from services.insight.model import Position
from services.insight.profile import Profile
from services.insight.saving import Saver
from tests.fakes.insight_memory import Disk, MemoryLease, MemoryProfiles
from tests.fakes.insight_scores import MemoryScores

# Four commands of profiles, and a part of a fifth.
_CHANGED = 1_100
_END = Position(token="7", sequence=7)


async def _changed(disk: Disk) -> Saver:
    """Return what saves a thousand changed profiles, holding the lease."""
    store, log = MemoryProfiles(disk), structlog.get_logger()
    profiles = ProfileCache(store, CacheLimits(), clock=time.monotonic, log=log)
    profiles.dirty.update({f"s:{number}": Profile(sequence=7) for number in range(_CHANGED)})
    saver = Saver(
        lease=MemoryLease(disk, "me"),
        store=store,
        profiles=profiles,
        keeper=VectorKeeper(MemoryScores(disk, "me"), kept=True),
        lease_s=60.0,
        idle_s=0.0,
        clock=time.monotonic,
        log=log,
    )
    await saver.take()
    return saver


def _reached() -> Position:
    return _END


async def test_a_spread_flush() -> None:
    """A flush that is spread leaves time between its commands and stores the position last."""
    disk = Disk()
    saver = await _changed(disk)
    flush = asyncio.create_task(saver.flush(_reached, over_s=0.5))
    await asyncio.sleep(0.05)
    assert 0 < len(disk.profiles) < _CHANGED
    assert disk.position != _END
    await flush
    assert len(disk.profiles) == _CHANGED
    assert disk.position == _END


async def test_a_flush_in_a_hurry() -> None:
    """A flush that somebody waits for hurries the spread one before it."""
    disk = Disk()
    saver = await _changed(disk)
    spread = asyncio.create_task(saver.flush(_reached, over_s=3600.0))
    await asyncio.sleep(0.01)
    started_s = time.monotonic()
    await saver.flush(_reached)
    # One rest of at most a quarter of a second, not the three that were to come.
    assert time.monotonic() - started_s < 0.6
    assert spread.done()
    assert len(disk.profiles) == _CHANGED
