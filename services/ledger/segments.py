"""Consecutive changes shared by all watchers, and one watcher's place among them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from mesh.errors import Fault
from services.ledger.read_ports import PaymentChange, PaymentFilter
from services.ledger.watch_faults import too_slow

MessageT = TypeVar("MessageT")

Render = Callable[[Sequence[PaymentChange], str], MessageT]


class Segment(Generic[MessageT]):
    """Consecutive changes, made into one message per filter, once for all watchers."""

    __slots__ = ("_messages", "_render", "changes", "position")

    def __init__(self, changes: Sequence[PaymentChange], position: str, render: Render[MessageT]) -> None:
        """Hold changes and the position after them; `render` makes a message of changes and a position."""
        self.changes = changes
        self.position = position
        self._render = render
        self._messages: dict[PaymentFilter, MessageT | None] = {}

    def message(self, wanted: PaymentFilter) -> MessageT | None:
        """Return the message for a filter, None where nothing passes it."""
        if wanted not in self._messages:
            passed = [change for change in self.changes if wanted.matches(change.facts)]
            self._messages[wanted] = self._render(passed, self.position) if passed else None
        return self._messages[wanted]

    def after(self, position: str) -> Segment[MessageT]:
        """Return the part behind a position."""
        if not self.changes or self.changes[0].position > position:
            return self
        rest = [change for change in self.changes if change.position > position]
        return Segment(rest, self.position, self._render)


def segments_of(
    changes: Sequence[PaymentChange], position: str, render: Render[MessageT], *, size_max: int
) -> list[Segment[MessageT]]:
    """Cut one read's changes into segments; the last one stands where the read ended."""
    segments = []
    for start in range(0, len(changes), size_max):
        part = changes[start : start + size_max]
        end = position if start + size_max >= len(changes) else part[-1].position
        segments.append(Segment(part, end, render))
    return segments


class Follower(Generic[MessageT]):
    """One watcher's place in the shared stream: what it has not taken yet, within a bound."""

    __slots__ = ("_behind_max", "_queue", "behind", "fault", "position", "wake")

    def __init__(self, position: str, *, behind_max: int) -> None:
        """Stand at a position; more than `behind_max` changes later the follower is too slow."""
        self.position = position
        self.behind = 0
        self.fault: Fault | None = None
        self.wake = asyncio.Event()
        self._queue: deque[Segment[MessageT]] = deque()
        self._behind_max = behind_max

    def offer(self, segment: Segment[MessageT]) -> None:
        """Take a segment; too far behind, let go of everything and keep only that fact."""
        if self.fault is not None or segment.position <= self.position:
            return
        rest = segment.after(self.position)
        self.behind += len(rest.changes)
        if self.behind > self._behind_max:
            self.fail(too_slow())
            return
        self._queue.append(rest)
        self.wake.set()

    def fail(self, fault: Fault) -> None:
        """End the follower: its next `take` raises."""
        if self.fault is None:
            self.fault = fault
        self._queue.clear()
        self.wake.set()

    def take(self) -> Segment[MessageT] | None:
        """Return the next segment, None where there is none now.

        Raises:
            Fault: it was ended.
        """
        if self.fault is not None:
            raise self.fault
        if not self._queue:
            self.wake.clear()
            return None
        segment = self._queue.popleft()
        self.behind -= len(segment.changes)
        self.position = segment.position
        return segment
