"""Saving what was learnt: under the lease, vectors before profiles, profiles before the position, patiently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from structlog.typing import FilteringBoundLogger

from mesh.logs import error_fields
from services.insight.cache import ProfileCache
from services.insight.keeping import VectorKeeper
from services.insight.model import Position
from services.insight.pause import pause
from services.insight.ports import Clock, Lease, ProfileStore, StoreDown

ResultT = TypeVar("ResultT")

# One command's profiles: scoring gets a turn of the loop before the next are made ready.
_CHUNK: Final = 256
# Between two of them, so that whoever can't wait for their end waits no longer than this.
_REST_S_MAX: Final = 0.25
_PAUSE_S_MIN: Final = 0.2
_PAUSE_S_MAX: Final = 5.0


class LeaseLost(Exception):  # noqa: N818 - an event in the life of a replica, not an error
    """Another replica may be learning; nothing more may be saved from here."""


class Saver:
    """Holds the lease and saves under it."""

    def __init__(
        self,
        *,
        lease: Lease,
        store: ProfileStore,
        profiles: ProfileCache,
        keeper: VectorKeeper,
        lease_s: float,
        idle_s: float,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        """Save the changed ones of `profiles`; while nothing is learnt, the position alone every `idle_s`."""
        self._lease = lease
        self._store = store
        self._profiles = profiles
        self._keeper = keeper
        self._lease_s = lease_s
        self._idle_s = idle_s
        self._clock = clock
        self._log = log
        self._stored = Position(token="", sequence=0)
        self._stored_at_s = 0.0
        self._holds_until_s = 0.0
        self._flushing = asyncio.Lock()
        self._hurried = 0

    @property
    def holds(self) -> bool:
        """True while the lease is certainly ours."""
        return self._clock() < self._holds_until_s

    @property
    def covered(self) -> int:
        """The ordinal of the last verdict that is saved with everything it changed."""
        return self._stored.judgement.ordinal

    async def take(self) -> Position | None:
        """Take the lease and return the position to go on from, None while another replica holds it.

        Raises:
            StoreDown: nobody knows.
        """
        # Counted from before asking, our idea of the lease's end is never later than the store's.
        asked_at_s = self._clock()
        position = await self._lease.acquire()
        if position is not None:
            self._holds_until_s = asked_at_s + self._lease_s
            self._stored, self._stored_at_s = position, asked_at_s
        return position

    async def keep(self) -> None:
        """Prolong the lease for as long as that works.

        Raises:
            LeaseLost: it doesn't any more.
        """
        while True:
            await asyncio.sleep(self._lease_s / 3)
            asked_at_s = self._clock()
            try:
                if await self._lease.acquire() is None:
                    raise LeaseLost
                self._holds_until_s = asked_at_s + self._lease_s
            except StoreDown as down:
                self._log.warning("learning_lease_unreachable", **error_fields(down))
            self.must_hold()

    async def give_back(self) -> None:
        """Let another replica go on at once.

        Raises:
            StoreDown: the lease ends by itself.
        """
        self._holds_until_s = 0.0
        await self._lease.release()

    def forget(self) -> None:
        """Count the lease as lost."""
        self._holds_until_s = 0.0

    async def flush(self, reached: Callable[[], Position], *, over_s: float = 0.0) -> None:
        """Save every changed profile, then the position they cover, asked for first.

        Args:
            reached: the position learnt to.
            over_s: the most seconds to spread it over, so that thousands of writes at once make no payment wait; less
                where somebody asks for a flush that is not spread.

        Raises:
            StoreDown: the outcome is unknown; everything stays to be saved again.
            LeaseLost: nothing more may be saved.
        """
        if over_s:
            await self._flush(reached, over_s)
            return
        self._hurried += 1
        try:
            await self._flush(reached, over_s)
        finally:
            self._hurried -= 1

    async def _flush(self, reached: Callable[[], Position], over_s: float) -> None:
        async with self._flushing:
            # Profiles changed while this goes on are saved with later changes in them, as their sequence
            # says.
            position, dirty = reached(), self._profiles.dirty
            changed = list(dirty)
            rest_s = min(over_s * _CHUNK / max(len(changed), 1), _REST_S_MAX)
            for start in range(0, len(changed), _CHUNK):
                if start and not self._hurried:
                    await asyncio.sleep(rest_s)
                self.must_hold()
                states = [(key, dirty[key].state()) for key in changed[start : start + _CHUNK]]
                # A profile that contains a payment says that the payment's vector is kept.
                await self._keeper.save()
                self.must_hold()
                await self._store.save(states)
                for key, state in states:
                    profile = dirty[key]
                    profile.stored = True
                    if (profile.sequence, profile.judged) == (state.sequence, state.judged):
                        del dirty[key]
            await self._keeper.save()
            await self._advance(position)

    async def patiently(self, act: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do it again, with pauses, until the store answers."""
        pause_s, waits_since_s = _PAUSE_S_MIN, 0.0
        while True:
            try:
                result = await act()
            except StoreDown as down:
                if not waits_since_s:
                    waits_since_s = self._clock()
                    self._log.warning("learning_waits_for_store", **error_fields(down))
                await pause(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_S_MAX)
            else:
                if waits_since_s:
                    self._log.info("learning_goes_on", waited_s=round(self._clock() - waits_since_s, 1))
                return result

    def must_hold(self) -> None:
        """Make sure that the lease is ours before something is written that only its holder may write.

        Raises:
            LeaseLost: it may not be.
        """
        if not self.holds:
            raise LeaseLost

    async def _advance(self, position: Position) -> None:
        idle = (position.sequence, position.judgement) == (self._stored.sequence, self._stored.judgement)
        if position == self._stored or (idle and self._clock() < self._stored_at_s + self._idle_s):
            return
        self.must_hold()
        if not await self._lease.advance(position):
            raise LeaseLost
        self._stored, self._stored_at_s = position, self._clock()
