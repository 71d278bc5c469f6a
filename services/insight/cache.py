"""The profiles in memory: bounded, loaded a batch at a time, shared by scoring and learning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from structlog.typing import FilteringBoundLogger

from mesh.logs import error_fields
from services.insight.ports import Clock, ProfileStore, StoreDown
from services.insight.profile import UNKNOWN, Profile

# After a failed load, scoring goes by what is in memory for so long before it asks again.
_PAUSE_S: Final = 1.0
# Profiles read at once where all of them are read: scoring gets a turn of the loop in between.
_PAGE: Final = 500
# Loads that a slow store may have running at once; over it, scoring goes by what is in memory.
_LOADS_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """The bounds of the cache.

    Attributes:
        profiles_max: the most profiles in memory, remembered absences among them; what isn't saved yet comes on top.
        ttl_s: how old a profile may be where another replica learns.
        load_s_max: the longest that scoring waits for profiles to be loaded.
    """

    profiles_max: int = 200_000
    ttl_s: float = 2.0
    load_s_max: float = 0.015


class ProfileCache:
    """Profiles by key. An account that is known to have none has an empty one.

    Two halves: what was used lately is in the young one. When that is full, it becomes the old one, out of which what
    is used comes back, and what is left of the one before goes, a few at a time. So a use that is one of many costs a
    look into a dictionary; a list in the order of use would cost a step in it, and eighty bytes for each account.

    While this replica learns, the copies here are the truth: they don't age, `dirty` holds those that the
    store hasn't got yet, and no load overwrites one. A key is loaded by one query at a time, so that a slow
    answer can't bring an older copy back after the newer one was saved and evicted.

    Where all that is stored fits, it is read once, when learning begins. From then on an account that isn't in memory
    has no profile: nobody waits for the store to say so, until the first one had to leave memory.
    """

    def __init__(self, store: ProfileStore, limits: CacheLimits, *, clock: Clock, log: FilteringBoundLogger) -> None:
        """Load from `store` what is asked for."""
        self.dirty: dict[str, Profile] = {}
        self._store = store
        self._limits = limits
        self._clock = clock
        self._log = log
        self._half = limits.profiles_max // 2
        self._young: dict[str, Profile] = {}
        self._old: dict[str, Profile] = {}
        self._leaving: dict[str, Profile] = {}
        self._loading: dict[str, asyncio.Task[StoreDown | None]] = {}
        self._tasks: set[asyncio.Task[StoreDown | None]] = set()
        self._learning = False
        self._whole = self._lost = False
        self._era = 0
        self._asks_again_at_s = 0.0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: str) -> Profile | None:
        """Return the profile if it is in memory, however old."""
        return self._young.get(key) or self._old.get(key) or self.dirty.get(key)

    def reset(self, *, learning: bool) -> None:
        """Forget everything, and from now on be or not be where learning happens."""
        self._era += 1
        self._learning = learning
        self._whole = self._lost = False
        self._young, self._old, self._leaving = {}, {}, {}
        self._loading.clear()
        self.dirty.clear()

    async def refresh(self, keys: Iterable[str], *, within_s: float | None = None) -> None:
        """Have the profiles in memory as far as that works in time, by default the time scoring has; never fails."""
        missing = self._missing(keys)
        if not missing or self._clock() < self._asks_again_at_s:
            return
        tasks = self._load(missing, tasks_max=_LOADS_MAX)
        if tasks:
            await asyncio.wait(tasks, timeout=self._limits.load_s_max if within_s is None else within_s)

    async def require(self, keys: Iterable[str]) -> None:
        """Have the profiles in memory.

        Raises:
            StoreDown: they can't be loaded now.
        """
        while missing := self._missing(keys):
            for task in self._load(missing, tasks_max=None):
                # A load outlives who waits for it: others may be waiting too.
                if failed := await asyncio.shield(task):
                    raise failed

    async def read_all(self) -> None:
        """Have every stored profile in memory, where this replica learns and they fit into half of it.

        Raises:
            StoreDown: they can't be read now.
        """
        era, after = self._era, ""
        while self._learning and (page := await self._store.page(after, count=_PAGE)):
            if era != self._era or len(self) + len(page) > self._half:
                return
            for key, state in page:
                # What was learnt meanwhile is newer.
                if self.get(key) is None:
                    self._young[key] = Profile.of(key, state, fetched_s=self._clock())
            self._make_room(len(page))
            after = page[-1][0]
        if era == self._era:
            self._whole = self._learning and not self._lost

    async def close(self) -> None:
        """Give up loads that are still running."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _missing(self, keys: Iterable[str]) -> list[str]:
        """Return the keys without a usable profile, and keep the others among the young."""
        young, old, dirty = self._young, self._old, self.dirty
        fresh_from_s = 0.0 if self._learning else self._clock() - self._limits.ttl_s
        missing, came = [], 0
        for key in keys:
            profile = young.get(key)
            if profile is None:
                profile = old.pop(key, None) or dirty.get(key) or (Profile.of(key) if self._whole else None)
                if profile is not None:
                    young[key] = profile
                    came += 1
            if profile is None or profile.fetched_s < fresh_from_s:
                missing.append(key)
        if came:
            self._make_room(came)
        return missing

    def _load(self, keys: Sequence[str], *, tasks_max: int | None) -> set[asyncio.Task[StoreDown | None]]:
        """Load what isn't being loaded; return the loads that bring the keys."""
        loading = self._loading
        tasks = {loading[key] for key in keys if key in loading}
        wanted = list(dict.fromkeys(key for key in keys if key not in loading))
        if wanted and (tasks_max is None or len(self._tasks) < tasks_max):
            task = asyncio.ensure_future(self._fetch(wanted, self._era))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            loading.update(dict.fromkeys(wanted, task))
            tasks.add(task)
        return tasks

    async def _fetch(self, keys: Sequence[str], era: int) -> StoreDown | None:
        try:
            states = await self._store.load(keys)
        except StoreDown as down:
            if self._clock() >= self._asks_again_at_s:
                self._log.warning("profiles_unreadable", **error_fields(down))
            self._asks_again_at_s = self._clock() + _PAUSE_S
            return down
        finally:
            if era == self._era:
                for key in keys:
                    self._loading.pop(key, None)
        if era == self._era:
            now = self._clock()
            for key in keys:
                # Where this replica learns, what came into memory meanwhile is the truth.
                if self._learning and self.get(key) is not None:
                    continue
                self._old.pop(key, None)
                self._young[key] = Profile.of(key, states.get(key, UNKNOWN), fetched_s=now)
            self._make_room(len(keys))
        return None

    def _make_room(self, came: int) -> None:
        """Let as many go as came among the young, and where those are enough become the old ones; the dirty stay."""
        leaving = self._leaving
        for _ in range(min(came, len(leaving))):
            leaving.popitem()
        if len(self._young) >= self._half:
            if self._old:
                self._whole, self._lost = False, True
            self._young, self._old, self._leaving = {}, self._young, self._old
