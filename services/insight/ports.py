"""What scoring and learning need of the outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from services.insight.model import Page, Position
from services.insight.profile import ProfileState
from services.insight.verdicts import Judgement


class StoreDown(Exception):  # noqa: N818 - says what is the matter, as the log will
    """What is remembered can't be read or written now; a write's outcome is unknown."""


class ProfileStore(Protocol):
    """Durable profiles, absolute values under a key."""

    async def load(self, keys: Sequence[str]) -> Mapping[str, ProfileState]:
        """Return what is stored under each key, in one query; absent ones are left out.

        Raises:
            StoreDown: it can't be read now.
        """

    async def page(self, after: str, *, count: int) -> Sequence[tuple[str, ProfileState]]:
        """Return the first so many profiles behind a key, in the order of keys; none where there are no more.

        Raises:
            StoreDown: they can't be read now.
        """

    async def save(self, profiles: Sequence[tuple[str, ProfileState]]) -> None:
        """Write each profile unless the stored one already contains later changes; durable when it returns.

        Raises:
            StoreDown: the outcome is unknown; writing the same again is harmless.
        """


class Lease(Protocol):
    """The right to learn, held by one replica at a time, and how far learning got."""

    async def acquire(self) -> Position | None:
        """Take or prolong the lease for its full time by the store's clock; None while another holds it.

        Raises:
            StoreDown: nobody knows.
        """

    async def advance(self, position: Position) -> bool:
        """Store how far the saved profiles go; False, with nothing stored, where the lease is no longer ours.

        Raises:
            StoreDown: the outcome is unknown; storing the same again is harmless.
        """

    async def judgement(self) -> Judgement:
        """Return what verdicts have taught as it was stored last; the evidence may be left out.

        Raises:
            StoreDown: nobody knows.
        """

    async def release(self) -> None:
        """Give the lease back at once, if it is ours.

        Raises:
            StoreDown: it will end by itself.
        """


class Feed(Protocol):
    """The ledger's changes in order."""

    def follow(self, token: str) -> AsyncGenerator[Page, None]:
        """Yield pages after `token` for ever, or from now on where it is empty, bridging interruptions.

        Raises:
            Fault: OUT_OF_RANGE or INVALID where the token can't be resumed.
        """


class Clock(Protocol):
    """A monotonic clock, in seconds."""

    def __call__(self) -> float:
        """Return the time."""
