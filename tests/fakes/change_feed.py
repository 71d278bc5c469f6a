"""A feed of changes in memory that can break, lose its history, and hold a mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from services.ledger.model import Outcome, Status
from services.ledger.read_ports import Batch, Facts, FeedInterrupted, FeedLost, FeedUnknown, PaymentChange


def change_at(position: str, *, source: str = "s") -> PaymentChange:
    """A change at a position, of the payment of that name."""
    return PaymentChange(
        position=position,
        source=source,
        tx_id=position,
        version=1,
        facts=Facts(source=source, status=Status.SUCCESS, currency="EUR", amount=1, risk_level=None),
        events=(),
        outcome=Outcome.CREATED,
        recorded_at_ms=1,
        sender="",
        receiver="",
    )


class MemoryFeed:
    """The port `ChangeFeed`; positions are six digits."""

    def __init__(self) -> None:
        """Start empty, reachable."""
        self.changes: list[PaymentChange] = []
        self.kept_from = "000000"
        self.reachable = True
        self.opened = 0
        self.open_now = 0
        self.mistake: Exception | None = None
        self.news = asyncio.Event()

    def append(self, numbers: Iterable[int], *, source: str = "s") -> None:
        """Let changes happen."""
        self.changes += [change_at(f"{number:06}", source=source) for number in numbers]
        self.wake()

    def wake(self) -> None:
        """Let open cursors look again."""
        self.news.set()
        self.news = asyncio.Event()

    @property
    def last(self) -> str:
        """The newest position."""
        return self.changes[-1].position if self.changes else "000000"

    def check(self, position: str) -> None:
        """Refuse what is not six digits."""
        if not (len(position) == 6 and position.isdecimal()):
            raise FeedUnknown(position)

    async def now(self) -> str:
        """The newest position."""
        if not self.reachable:
            raise FeedInterrupted("down")
        return self.last

    async def open(self, after: str | None) -> MemoryCursor:
        """Start after a position."""
        if not self.reachable:
            raise FeedInterrupted("down")
        if after is not None and after < self.kept_from:
            raise FeedLost(after)
        self.opened += 1
        self.open_now += 1
        return MemoryCursor(self, self.last if after is None else after)


class MemoryCursor:
    """The port `ChangeCursor`."""

    def __init__(self, feed: MemoryFeed, position: str) -> None:
        """Stand at a position."""
        self._feed = feed
        self.position = position

    async def read(self) -> Batch:
        """What came, at most 100 changes."""
        feed = self._feed
        if not feed.reachable:
            raise FeedInterrupted("down")
        if self.position < feed.kept_from:
            raise FeedLost(self.position)
        if feed.mistake is not None:
            raise feed.mistake
        found = [change for change in feed.changes if change.position > self.position][:100]
        if not found:
            news = feed.news
            try:
                async with asyncio.timeout(0.05):
                    await news.wait()
            except TimeoutError:
                return Batch(changes=(), position=self.position)
            return await self.read()
        self.position = found[-1].position
        return Batch(changes=found, position=self.position)

    async def close(self) -> None:
        """Count it out."""
        self._feed.open_now -= 1
