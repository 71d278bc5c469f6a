"""The one stream of changes of a process: open while somebody watches, resumed by itself, shared by all."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from mesh.errors import Fault
from services.ledger.read_ports import Batch, ChangeCursor, ChangeFeed, FeedInterrupted, FeedLost, FeedUnknown
from services.ledger.segments import Follower, Render, Segment, segments_of
from services.ledger.watch_faults import going_down, history_lost, too_many, unreachable

_log = logging.getLogger(__name__)

MessageT = TypeVar("MessageT")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """The bounds of watching.

    Attributes:
        behind_max: how many changes a watcher may be behind before it is cut off.
        ring_max: how many past changes are kept for those who resume; less than `behind_max`.
        group_max: the most changes in one message.
        watchers_max: how many may watch at once.
        catch_up_max: how many of those who catch up may ask storage at once; the others wait their turn.
        gather_s: the pause after a read that brought little, so that a busy stream costs few hops.
        linger_s: how long the stream stays open after the last watcher left.
        connect_s_max: how long a watcher waits for storage before it is told so.
    """

    behind_max: int = 10_000
    ring_max: int = 5_000
    group_max: int = 256
    watchers_max: int = 400
    catch_up_max: int = 4
    gather_s: float = 0.05
    linger_s: float = 5.0
    connect_s_max: float = 5.0


class Backoff:
    """Pauses that grow from 50 ms to a second while something stays broken."""

    _FIRST_S: Final = 0.05
    _LONGEST_S: Final = 1.0

    def __init__(self) -> None:
        """Begin with the shortest."""
        self._next_s = self._FIRST_S

    async def wait(self) -> None:
        """Pause, and longer the next time; jittered, so that replicas don't come back together."""
        await asyncio.sleep(random.uniform(self._next_s / 2, self._next_s))  # noqa: S311 - spreads load, hides nothing
        self._next_s = min(self._next_s * 2, self._LONGEST_S)

    def reset(self) -> None:
        """Begin anew: it worked."""
        self._next_s = self._FIRST_S


class ChangeHub(Generic[MessageT]):
    """Reads the stream once and hands it to every follower."""

    def __init__(self, feed: ChangeFeed, render: Render[MessageT], limits: WatchLimits | None = None) -> None:
        """Read `feed`; `render` makes a message of changes and a position, once per segment and filter."""
        self.limits = limits or WatchLimits()
        self._feed = feed
        self._render = render
        self._users = 0
        self._followers: set[Follower[MessageT]] = set()
        self._ring: deque[Segment[MessageT]] = deque()
        self._ring_changes = 0
        self._ring_start = ""
        self._position = ""
        self._live = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._closed = False

    @contextmanager
    def user(self) -> Iterator[None]:
        """Keep the stream open while the context lasts.

        Raises:
            Fault: EXHAUSTED, too many watch; UNAVAILABLE, the process is going down.
        """
        if self._closed:
            raise going_down()
        if self._users >= self.limits.watchers_max:
            raise too_many(self.limits.watchers_max)
        self._users += 1
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="change-hub")
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and not self._closed:
                self._linger = asyncio.get_running_loop().call_later(self.limits.linger_s, self._stop)

    async def ready(self) -> None:
        """Wait until the stream is open.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached.
        """
        try:
            async with asyncio.timeout(self.limits.connect_s_max):
                await self._live.wait()
        except TimeoutError:
            raise unreachable() from None

    async def now(self) -> str:
        """Return the position behind everything acknowledged so far.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached.
        """
        try:
            return await self._feed.now()
        except FeedInterrupted as error:
            raise unreachable() from error

    def holds(self, position: str) -> bool:
        """Return whether everything after a position is still to be had from the ring or to come."""
        return self._live.is_set() and position >= self._ring_start

    @contextmanager
    def following(self, position: str) -> Iterator[Follower[MessageT]]:
        """Follow the stream after a position that it holds, while the context lasts."""
        follower: Follower[MessageT] = Follower(position, behind_max=self.limits.behind_max)
        for segment in self._ring:
            follower.offer(segment)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def position_of(self, follower: Follower[MessageT]) -> str:
        """Return where a follower that has taken everything stands."""
        return follower.position if follower.behind else max(follower.position, self._position)

    @staticmethod
    def backoff() -> Backoff:
        """Return the pauses to make while storage is away."""
        return Backoff()

    async def close(self) -> None:
        """End every watcher, so that each resumes at another replica, and the stream."""
        self._closed = True
        if self._linger is not None:
            self._linger.cancel()
        self._end_followers(going_down())
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _stop(self) -> None:
        """End the stream nobody watches any more."""
        self._linger = None
        if self._task is not None and not self._users:
            self._task.cancel()
            self._task = None
            self._forget()

    def _forget(self) -> None:
        self._live.clear()
        self._ring.clear()
        self._ring_changes = 0
        self._ring_start = self._position = ""

    def _end_followers(self, fault: Fault) -> None:
        for follower in tuple(self._followers):
            follower.fail(fault)

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._read(backoff)
            except FeedInterrupted as error:
                _log.warning("the stream of changes broke and will be resumed: %s", error)
            except (FeedLost, FeedUnknown) as error:
                _log.warning("the stream of changes can't be resumed, its watchers are told: %s", error)
                self._end_followers(history_lost())
                self._forget()
            except Exception:  # noqa: BLE001 - watchers must not wait for what a bug keeps from coming
                _log.exception("the stream of changes failed, its watchers are told")
                self._end_followers(unreachable())
                self._forget()
            await backoff.wait()

    async def _read(self, backoff: Backoff) -> None:
        cursor = await self._feed.open(self._position or None)
        try:
            self._opened(cursor)
            while True:
                batch = await cursor.read()
                backoff.reset()
                await self._share(batch)
        finally:
            await cursor.close()

    def _opened(self, cursor: ChangeCursor) -> None:
        if not self._live.is_set():
            self._ring_start = self._position = cursor.position
            self._live.set()

    async def _share(self, batch: Batch) -> None:
        """Hand a batch to every follower, a segment per turn of the loop so that nobody else waits long."""
        for segment in segments_of(batch.changes, batch.position, self._render, size_max=self.limits.group_max):
            self._ring.append(segment)
            self._ring_changes += len(segment.changes)
            while self._ring_changes > self.limits.ring_max:
                oldest = self._ring.popleft()
                self._ring_changes -= len(oldest.changes)
                self._ring_start = oldest.position
            self._position = segment.position
            for follower in self._followers:
                follower.offer(segment)
            await asyncio.sleep(0)
        self._position = batch.position
        if batch.changes and len(batch.changes) < self.limits.group_max:
            await asyncio.sleep(self.limits.gather_s)
