"""What stands behind a batcher: notes every batch, and answers, fails or hangs as it was told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mesh.errors import Fault, Kind

Step = Callable[[Sequence[str]], Awaitable[Sequence[str]]]


def answers_of(items: Sequence[str]) -> list[str]:
    """Return what the sender answers to items."""
    return [f"answer to {item}" for item in items]


def after(delay_s: float) -> Step:
    """Answer after a while."""

    async def step(items: Sequence[str]) -> Sequence[str]:
        await asyncio.sleep(delay_s)
        return answers_of(items)

    return step


def raising(error: BaseException, *, delay_s: float = 0.0) -> Step:
    """Fail after a while."""

    async def step(items: Sequence[str]) -> Sequence[str]:
        await asyncio.sleep(delay_s)
        raise error

    return step


def poisoned_by(item: str) -> Step:
    """Fail with INTERNAL wherever an item is among the others, as a server does that can't decode it."""

    async def step(items: Sequence[str]) -> Sequence[str]:
        await asyncio.sleep(0.001)
        if item in items:
            raise fault(Kind.INTERNAL)
        return answers_of(items)

    return step


def short_by(count: int) -> Step:
    """Answer too few (or, below 0, too many)."""

    async def step(items: Sequence[str]) -> Sequence[str]:
        answers = answers_of(items)
        return answers[:-count] if count > 0 else answers + ["one more"] * -count

    return step


def fault(kind: Kind) -> Fault:
    """Return a fault of a kind."""
    return Fault(kind=kind, reason="OVERLOADED", message=f"{kind.value} for a test")


class Sender:
    """A `send` whose n-th call does the n-th step; the last step serves all that follow."""

    def __init__(self, *steps: Step) -> None:
        """Answer at once where no step is given."""
        self._steps = list(steps or [after(0)])
        self.batches: list[list[str]] = []
        self.sent_at_s: list[float] = []
        self.timeouts_s: list[float] = []
        self.out = 0
        self.out_max = 0

    async def __call__(self, items: Sequence[str], timeout_s: float) -> Sequence[str]:
        """Send one batch."""
        self.batches.append(list(items))
        self.sent_at_s.append(asyncio.get_running_loop().time())
        self.timeouts_s.append(timeout_s)
        self.out += 1
        self.out_max = max(self.out_max, self.out)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        try:
            return await step(items)
        finally:
            self.out -= 1
