"""Insight's ports in memory: a store that can be killed between any two of its writes, a lease, a feed that resumes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from mesh.errors import Fault, Kind
from services.insight.labels import Dispute, Label
from services.insight.model import Page, Payment, Position, Risk
from services.insight.ports import StoreDown
from services.insight.profile import ProfileState
from services.insight.verdicts import Case, Judgement


class Killed(Exception):  # noqa: N818 - what happened to the process
    """The process ended here."""


class Disk:
    """What outlives a process: profiles and the learner's document, written in steps that can be counted."""

    def __init__(self) -> None:
        """Begin empty and in good health."""
        self.profiles: dict[str, ProfileState] = {}
        self.position = Position(token="", sequence=0)
        self.owner = ""
        self.cases: dict[str, Case] = {}
        self.authors: dict[tuple[str, str, str], str] = {}
        self.versions: dict[str, int] = {}
        self.kept = 0
        self.decided = 0
        self.clock_ms = 0
        self.steps = 0
        self.killed_at: int | None = None
        self.down = False
        self.queries: list[tuple[str, ...]] = []
        self.delay_s = 0.0

    def step(self) -> None:
        """Count a write about to happen.

        Raises:
            Killed: the process ends instead.
        """
        if self.killed_at is not None and self.steps >= self.killed_at:
            raise Killed
        self.steps += 1


class MemoryProfiles:
    """A profile store on a disk."""

    def __init__(self, disk: Disk) -> None:
        """Keep them on `disk`."""
        self._disk = disk

    async def load(self, keys: Sequence[str]) -> Mapping[str, ProfileState]:
        """Return what is stored."""
        disk = self._disk
        disk.queries.append(tuple(keys))
        found = {key: disk.profiles[key] for key in keys if key in disk.profiles}
        await asyncio.sleep(disk.delay_s)
        if disk.down:
            raise StoreDown("the store is down")
        return found

    async def page(self, after: str, *, count: int) -> Sequence[tuple[str, ProfileState]]:
        """Return what is stored behind a key."""
        await asyncio.sleep(self._disk.delay_s)
        if self._disk.down:
            raise StoreDown("the store is down")
        return [(key, self._disk.profiles[key]) for key in sorted(self._disk.profiles) if key > after][:count]

    async def save(self, profiles: Sequence[tuple[str, ProfileState]]) -> None:
        """Write one after the other, forwards only."""
        await asyncio.sleep(0)
        for key, state in profiles:
            if self._disk.down:
                raise StoreDown("the store is down")
            self._disk.step()
            known = self._disk.profiles.get(key)
            if known is None or (known.sequence <= state.sequence and known.judged <= state.judged):
                self._disk.profiles[key] = state


class MemoryLease:
    """A lease on a disk, which never ends by itself."""

    def __init__(self, disk: Disk, owner: str) -> None:
        """Hold it as `owner`."""
        self._disk = disk
        self._owner = owner

    async def acquire(self) -> Position | None:
        """Take it where nobody else has it."""
        await asyncio.sleep(0)
        if self._disk.down:
            raise StoreDown("the store is down")
        if self._disk.owner not in {"", self._owner}:
            return None
        self._disk.owner = self._owner
        return self._disk.position

    async def advance(self, position: Position) -> bool:
        """Store the position while it is ours."""
        await asyncio.sleep(0)
        if self._disk.down:
            raise StoreDown("the store is down")
        self._disk.step()
        if self._disk.owner != self._owner:
            return False
        self._disk.position = position
        return True

    async def judgement(self) -> Judgement:
        """Return what was stored last."""
        await asyncio.sleep(0)
        if self._disk.down:
            raise StoreDown("the store is down")
        return self._disk.position.judgement

    async def release(self) -> None:
        """Give it back where it is ours."""
        if self._disk.owner == self._owner:
            self._disk.owner = ""


class ScriptedFeed:
    """Changes in a list: a payment that was opened, what a dispute says, or None. Each stream ends in silence.

    A token is a place in the list.
    """

    def __init__(self, changes: Sequence[Payment | Dispute | None], *, page_changes: int = 3, oldest: int = 0) -> None:
        """Tell `changes` in pages; tokens before `oldest` are too old, and without one it begins there."""
        self._changes = changes
        self._page_changes = page_changes
        self._oldest = oldest
        self.told_all = asyncio.Event()
        self.begun: list[str] = []

    async def follow(self, token: str) -> AsyncGenerator[Page, None]:
        """Yield what comes after the token, then a heartbeat, then nothing."""
        self.begun.append(token)
        place = int(token) if token else self._oldest
        if place < self._oldest:
            raise Fault(kind=Kind.OUT_OF_RANGE, reason="TOKEN_TOO_OLD", message="too old")
        while place < len(self._changes):
            changes = self._changes[place : place + self._page_changes]
            place += len(changes)
            payments = [change for change in changes if isinstance(change, Payment)]
            disputes = [change for change in changes if isinstance(change, Dispute)]
            yield Page(changes=len(changes), payments=payments, token=str(place), disputes=disputes)
        yield Page(changes=0, payments=(), token=str(place))
        self.told_all.set()
        await asyncio.Event().wait()


class Watcher:
    """Notes what the observers of scoring and learning are told."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.changes = 0
        self.holds = False
        self.risks: list[Risk] = []
        self.labels: list[tuple[Label, str]] = []
        self.verdicts: list[Case] = []

    def learnt(self, *, changes: int, payments: Sequence[Payment]) -> None:
        """Count."""
        self.changes += changes

    def leading(self, *, holds: bool) -> None:
        """Note."""
        self.holds = holds

    def scored(self, risks: Sequence[Risk]) -> None:
        """Note."""
        self.risks.extend(risks)

    def labelled(self, label: Label, *, by: str) -> None:
        """Note."""
        self.labels.append((label, by))

    def judged(self, cases: Sequence[Case]) -> None:
        """Note."""
        self.verdicts.extend(cases)
