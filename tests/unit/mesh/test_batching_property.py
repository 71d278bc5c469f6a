"""What holds of a batcher whatever arrives and whatever the sender does."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.batching import Batcher, BatchLimits
from mesh.errors import Fault, Kind
from tests.fakes.virtual_time import run_virtual


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry: the pause before it comes, its size and weight, and whether its waiter gives up, after how long."""

    number: int
    pause_s: float
    size: int
    weight: int
    patience_s: float | None


class Chaos:
    """A sender that answers, fails, answers wrongly, stalls or is cancelled, and checks what it is given."""

    def __init__(self, limits: BatchLimits, seed: int) -> None:
        self._limits = limits
        self._random = random.Random(seed)
        self._out = 0
        self.excesses: list[str] = []
        self.answered: Counter[int] = Counter()

    async def __call__(self, items: Sequence[Arrival], timeout_s: float) -> Sequence[int]:
        """Send one batch, or not."""
        self._check(items)
        self._out += 1
        try:
            return await self._behave(items, timeout_s)
        finally:
            self._out -= 1

    def _check(self, items: Sequence[Arrival]) -> None:
        limits = self._limits
        if len(items) > 1 and sum(item.weight for item in items) > limits.weight_max:
            self.excesses.append("weight")
        if len(items) > 1 and sum(item.size for item in items) > limits.batch_bytes_max:
            self.excesses.append("bytes")
        if len(items) > 1 and self._out >= max(limits.inflight_max, limits.inflight_full_max):
            self.excesses.append("inflight")
        if len({item.number for item in items}) < len(items) or not items:
            self.excesses.append("items")

    async def _behave(self, items: Sequence[Arrival], timeout_s: float) -> Sequence[int]:
        chance = self._random.random()
        await asyncio.sleep(self._random.choice([0, 0.001, 0.05, timeout_s, 10 * timeout_s]))
        if chance < 0.4:
            kind = self._random.choice(list(Kind))
            raise Fault(kind=kind, reason="INTERNAL", message="chaos")
        if chance < 0.5:
            raise ValueError("a bug")
        if chance < 0.55:
            raise asyncio.CancelledError
        numbers = [item.number for item in items]
        if chance < 0.6:
            return numbers[1:]
        self.answered.update(numbers)
        return numbers


def arrivals() -> st.SearchStrategy[list[Arrival]]:
    """Entries that come in bursts and in drops, small and large, patient and not."""
    one = st.tuples(
        st.sampled_from([0, 0, 0, 0.001, 0.1, 0.7]),
        st.integers(0, 40),
        st.integers(1, 4),
        st.none() | st.sampled_from([0.0, 0.05, 0.5]),
    )
    return st.lists(one, min_size=1, max_size=40).map(
        lambda rows: [Arrival(number, *row) for number, row in enumerate(rows)]
    )


def bounds() -> st.SearchStrategy[BatchLimits]:
    """Bounds tight enough to be met."""
    return st.builds(
        BatchLimits,
        weight_max=st.integers(1, 8),
        batch_bytes_max=st.integers(1, 100),
        inflight_max=st.integers(1, 3),
        inflight_full_max=st.integers(0, 5),
        queue_items_max=st.integers(1, 30),
        queue_bytes_max=st.integers(20, 400),
        wait_s_max=st.just(1.0),
        attempt_s_max=st.just(0.4),
        retry=st.booleans(),
    )


class Callers:
    """Everybody who submits, and what went wrong from their side."""

    def __init__(self, limits: BatchLimits, sender: Chaos) -> None:
        self._limits = limits
        self._sender = sender
        self._batcher: Batcher[Arrival, int] = Batcher(sender, limits, name="the test")
        self.wrong: list[str] = []

    async def play(self, entries: Sequence[Arrival]) -> None:
        """Let every entry arrive and wait until all is over."""
        tasks = []
        for arrival in entries:
            await asyncio.sleep(arrival.pause_s)
            tasks.append(asyncio.ensure_future(self._call(arrival)))
        await asyncio.gather(*tasks)
        # The sender may stall for four seconds, and once more for each entry of a split batch.
        await asyncio.sleep(400)
        if self._batcher.waiting != (0, 0):
            self.wrong.append(f"still held: {self._batcher.waiting}")

    async def _call(self, arrival: Arrival) -> None:
        fits = self._fits(arrival)
        started_s = asyncio.get_running_loop().time()
        try:
            future = self._batcher.submit(arrival, size=arrival.size, weight=arrival.weight)
        except Fault as refused:
            if fits or refused.kind is not Kind.EXHAUSTED:
                self.wrong.append(f"{arrival.number} refused: {refused}")
            return
        if not fits:
            self.wrong.append(f"{arrival.number} accepted over the bound")
        with suppress(Fault, TimeoutError):
            answer = await asyncio.wait_for(future, arrival.patience_s)
            if answer != arrival.number or not self._sender.answered[arrival.number]:
                self.wrong.append(f"{arrival.number} got the answer {answer}")
        waited_s = asyncio.get_running_loop().time() - started_s
        if waited_s > self._limits.wait_s_max + 0.051:
            self.wrong.append(f"{arrival.number} waited {waited_s} s")

    def _fits(self, arrival: Arrival) -> bool:
        count, held = self._batcher.waiting
        limits = self._limits
        return count < limits.queue_items_max and held + arrival.size <= limits.queue_bytes_max


@settings(max_examples=150, deadline=None)
@given(entries=arrivals(), limits=bounds(), seed=st.integers(0, 2**32))
def test_every_entry_gets_its_one_answer_in_time_and_no_bound_is_passed(
    entries: list[Arrival], limits: BatchLimits, seed: int
) -> None:
    """Whatever the sender does, each entry gets its own answer or a fault within its wait, and no limit is passed."""
    sender = Chaos(limits, seed)
    callers = Callers(limits, sender)
    run_virtual(callers.play(entries))
    assert callers.wrong == []
    assert sender.excesses == []
