"""Hands the model out: the detector itself, and what it remembers of every account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from mesh.errors import Fault, Kind
from services.insight.detector import Scorecard
from services.insight.portable import MODEL, PROFILES, model_line, profile_line
from services.insight.ports import StoreDown
from services.insight.profile import ProfileState

# A line takes up to 2 KiB: a part stays below the contract's MiB.
_PART_PROFILES: Final = 256


class Part(NamedTuple):
    """Lines of one format."""

    format: str
    lines: bytes


class SavedModel(Protocol):
    """What the learner saved."""

    async def reached(self) -> int:
        """Return the ordinal of the last payment that the saved profiles are sure to cover.

        Raises:
            StoreDown: it can't be read now.
        """

    async def page(self, after: str, *, most: int) -> Sequence[tuple[str, ProfileState]]:
        """Return the profiles with the next keys after one, in their order; none at the end.

        Raises:
            StoreDown: they can't be read now.
        """


class Exporter:
    """Exports the model."""

    def __init__(self, saved: SavedModel, *, scorecard: Callable[[], Scorecard]) -> None:
        """Export the present `scorecard`, and profiles from `saved`."""
        self._saved = saved
        self._scorecard = scorecard
        # Walking through all profiles is work for the database; two at once would only make both late.
        self._walking = asyncio.Semaphore(1)

    async def export(self, *, profiles: bool) -> AsyncIterator[Part]:
        """Yield the model, then, if asked for, every profile.

        The position comes first: a profile read after it may contain more, as its own ordinal says, never less.

        Raises:
            Fault: UNAVAILABLE, the store can't be read now.
        """
        try:
            sequence = await self._saved.reached()
            yield Part(MODEL, model_line(self._scorecard(), sequence=sequence))
            if profiles:
                async with self._walking:
                    async for part in self._profiles():
                        yield part
        except StoreDown as error:
            raise Fault(
                kind=Kind.UNAVAILABLE,
                reason="DEPENDENCY_DOWN",
                message="The model can't be read now; try again.",
                retry_after_s=1.0,
            ) from error

    async def _profiles(self) -> AsyncIterator[Part]:
        after = ""
        while page := await self._saved.page(after, most=_PART_PROFILES):
            yield Part(PROFILES, b"".join(profile_line(key, state) for key, state in page))
            after = page[-1][0]
