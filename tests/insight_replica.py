"""One process that learns, from fakes that outlive it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from services.insight.cache import CacheLimits, ProfileCache
from services.insight.judging import Jury
from services.insight.keeping import VectorKeeper
from services.insight.labels import Dispute
from services.insight.learning import Learner, LearningLimits
from services.insight.model import Payment
from services.insight.saving import Saver
from tests.fakes.insight_memory import Disk, MemoryLease, MemoryProfiles, ScriptedFeed, Watcher
from tests.fakes.insight_scores import MemoryScores


class Replica:
    """One process that learns: new memory on an old disk."""

    def __init__(
        self, disk: Disk, feed: ScriptedFeed, *, owner: str = "", dirty_max: int = 4, flush_s: float = 0.002
    ) -> None:
        log = structlog.get_logger()
        store = MemoryProfiles(disk)
        self.watcher = Watcher()
        self.profiles = ProfileCache(store, CacheLimits(), clock=time.monotonic, log=log)
        owner = owner or str(id(self))
        self.scores = MemoryScores(disk, owner)
        keeper = VectorKeeper(self.scores, kept=True)
        saver = Saver(
            lease=MemoryLease(disk, owner),
            store=store,
            profiles=self.profiles,
            keeper=keeper,
            lease_s=0.3,
            idle_s=0.0,
            clock=time.monotonic,
            log=log,
        )
        self.learner = Learner(
            feed=feed,
            saver=saver,
            profiles=self.profiles,
            keeper=keeper,
            labels=self.scores,
            jury=Jury(self.scores, profiles=self.profiles, saver=saver, observer=self.watcher, look_s=0.002),
            limits=LearningLimits(flush_s=flush_s, dirty_max=dirty_max, acquire_s=0.02, vectors_s=0.003, vectors_max=8),
            log=log,
            observer=self.watcher,
        )
        self.feed = feed
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to learn."""
        self.task = asyncio.create_task(self.learner.run())

    async def drain(self) -> None:
        """End as on SIGTERM."""
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self.learner.close(grace_s=1.0)
        await self.profiles.close()

    async def kill(self) -> None:
        """End as on SIGKILL: memory is lost, nothing is saved."""
        assert self.task is not None
        # A task group that fails in the moment it is cancelled tells of the failure only.
        while not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=0.05)
        await self.profiles.close()


async def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is seen from outside only
            await asyncio.sleep(0.002)


async def learn_all(disk: Disk, changes: Sequence[Payment | Dispute | None], **options: int) -> None:
    """Let one replica learn them and drain."""
    replica = Replica(disk, ScriptedFeed(changes, **options))
    replica.start()
    async with asyncio.timeout(5):
        await replica.feed.told_all.wait()
    await replica.drain()
