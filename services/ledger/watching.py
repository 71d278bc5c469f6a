"""Watching changes: one stream per process, shared in memory by everybody who watches.

The hub keeps the last changes in a ring. A watcher who resumes inside the ring joins at once; one who comes
from further back reads from a stream of its own until it gets there. Positions sort as text, so joining
neither misses nor repeats a change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Generic, TypeVar

from mesh.errors import Fault
from services.ledger.change_hub import ChangeHub
from services.ledger.read_ports import (
    Batch,
    ChangeCursor,
    ChangeFeed,
    FeedInterrupted,
    FeedLost,
    FeedUnknown,
    PaymentFilter,
)
from services.ledger.segments import Follower, Render, segments_of
from services.ledger.watch_faults import history_lost, not_a_token

MessageT = TypeVar("MessageT")


class Watching(Generic[MessageT]):
    """Streams of messages, one per watcher, from one stream of changes."""

    def __init__(self, feed: ChangeFeed, hub: ChangeHub[MessageT], render: Render[MessageT]) -> None:
        """Catch up from `feed`, then follow `hub`; `render` makes a message of changes and a position."""
        self._feed = feed
        self._hub = hub
        self._render = render
        limits = hub.limits
        self._gate = asyncio.Semaphore(limits.catch_up_max)

    async def watch(
        self, position: str | None, wanted: PaymentFilter, *, heartbeat_s: float
    ) -> AsyncGenerator[MessageT]:
        """Yield messages of the changes after a position (None: from now on), each change once.

        A stream that starts now begins with an empty message. After `heartbeat_s` of silence an empty message
        tells the newest position.

        Raises:
            Fault: OUT_OF_RANGE, the position is older than what is kept; INVALID, it is none; EXHAUSTED, the
                reader is too slow, with its last position as `resume_token`; UNAVAILABLE, storage is away.
        """
        if position is not None:
            self._check(position)
        with self._hub.user():
            await self._hub.ready()
            sent = position or await self._hub.now()
            if position is None:
                yield self._render((), sent)
            # Nothing may be awaited between this look at the ring and following it: the ring could move on.
            while not self._hub.holds(sent):
                async with aclosing(self._catch_up(sent, wanted, heartbeat_s)) as behind:
                    async for message, reached in behind:
                        if message is not None:
                            yield message
                        sent = reached
            with self._hub.following(sent) as follower:
                try:
                    async with aclosing(self._follow(follower, wanted, heartbeat_s)) as following:
                        async for message, reached in following:
                            yield message
                            sent = reached
                except Fault as fault:
                    raise replace(fault, metadata={**fault.metadata, "resume_token": sent}) from fault

    async def until_version(
        self, source: str, tx_id: str, version: int, *, already: Callable[[], Awaitable[bool]], wait_s: float
    ) -> None:
        """Return once a payment has reached a version, `already` says it has, or `wait_s` have passed.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached; EXHAUSTED, too many watch.
        """
        try:
            async with asyncio.timeout(wait_s):
                with self._hub.user():
                    await self._hub.ready()
                    with self._hub.following(await self._hub.now()) as follower:
                        if await already():
                            return
                        while not self._reached(follower, source, tx_id, version):
                            await follower.wake.wait()
        except TimeoutError:
            return

    @staticmethod
    def _reached(follower: Follower[MessageT], source: str, tx_id: str, version: int) -> bool:
        while (segment := follower.take()) is not None:
            for change in segment.changes:
                if change.tx_id == tx_id and change.source == source and change.version >= version:
                    return True
        return False

    async def _follow(
        self, follower: Follower[MessageT], wanted: PaymentFilter, heartbeat_s: float
    ) -> AsyncGenerator[tuple[MessageT, str]]:
        loop = asyncio.get_running_loop()
        due = loop.time() + heartbeat_s
        while True:
            segment = follower.take()
            message = None if segment is None else segment.message(wanted)
            if message is not None:
                yield message, follower.position
                due = loop.time() + heartbeat_s
            elif loop.time() >= due:
                reached = self._hub.position_of(follower)
                yield self._render((), reached), reached
                due = loop.time() + heartbeat_s
            elif segment is None:
                # `take` has just found nothing, in this same turn of the loop: nothing can be missed here.
                try:
                    async with asyncio.timeout_at(due):
                        await follower.wake.wait()
                except TimeoutError:
                    continue

    async def _catch_up(
        self, position: str, wanted: PaymentFilter, heartbeat_s: float
    ) -> AsyncGenerator[tuple[MessageT | None, str]]:
        """Yield from a stream of its own until the ring holds what comes next, with the position reached."""
        cursor: ChangeCursor | None = None
        pause = self._hub.backoff()
        loop = asyncio.get_running_loop()
        due = loop.time() + heartbeat_s
        try:
            while not self._hub.holds(position):
                try:
                    if cursor is None:
                        cursor = await self._open(position)
                    batch = await self._read(cursor)
                except FeedInterrupted:
                    if cursor is not None:
                        await cursor.close()
                    cursor = None
                    await pause.wait()
                    continue
                pause.reset()
                for segment in segments_of(
                    batch.changes, batch.position, self._render, size_max=self._hub.limits.group_max
                ):
                    message = segment.message(wanted)
                    if message is None and loop.time() >= due:
                        message = self._render((), segment.position)
                    if message is not None:
                        due = loop.time() + heartbeat_s
                    position = segment.position
                    yield message, position
                position = batch.position
                yield None, position
        except FeedLost as error:
            raise history_lost() from error
        finally:
            if cursor is not None:
                await cursor.close()

    def _check(self, position: str) -> None:
        try:
            self._feed.check(position)
        except FeedUnknown as error:
            raise not_a_token() from error

    async def _open(self, position: str) -> ChangeCursor:
        async with self._gate:
            try:
                return await self._feed.open(position)
            except FeedUnknown as error:
                raise not_a_token() from error

    async def _read(self, cursor: ChangeCursor) -> Batch:
        async with self._gate:
            return await cursor.read()
