"""A stream's requests are handled some at a time, answered in their order, and never read too far ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.ledger.ordered import answers_in_order
from tests.fakes.virtual_time import run_virtual


class Requests:
    """Numbers from 0, counting how many were read."""

    def __init__(self, count: int) -> None:
        """End after so many."""
        self.count = count
        self.read = 0

    def __aiter__(self) -> Requests:
        """Return itself."""
        return self

    async def __anext__(self) -> int:
        """Return the next one."""
        if self.read == self.count:
            raise StopAsyncIteration
        self.read += 1
        return self.read - 1


async def collect(answers: AsyncIterator[int], into: list[int]) -> None:
    """Take every answer."""
    async for answer in answers:
        into.append(answer)  # noqa: PERF401 - what came before a failure is kept


def test_answers_stand_in_the_order_of_the_requests() -> None:
    """Later requests that are done sooner wait for those before them."""

    async def handle(number: int) -> int:
        await asyncio.sleep(1 / (1 + number % 5))
        return number * 10

    answers: list[int] = []
    run_virtual(collect(answers_in_order(Requests(40), handle, pending_max=4), answers))
    assert answers == [number * 10 for number in range(40)]


@pytest.mark.parametrize("pending_max", [1, 4])
def test_no_more_is_read_than_may_be_pending(pending_max: int) -> None:
    """While nobody takes answers, the sender is not read any further."""
    running = peak = 0

    async def handle(number: int) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(1)
        running -= 1
        return number

    async def slowly() -> None:
        requests = Requests(30)
        async with aclosing(answers_in_order(requests, handle, pending_max=pending_max)) as answers:
            taken = 0
            async for _ in answers:
                taken += 1
                await asyncio.sleep(5)
                assert requests.read <= taken + pending_max
        assert taken == 30

    run_virtual(slowly())
    assert peak == pending_max


def test_a_failure_comes_after_the_answers_before_it() -> None:
    """What one request raises ends the stream in its turn, and nothing is left running."""
    ended = []

    async def handle(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        try:
            await asyncio.sleep(10 if number > 3 else 1)
        finally:
            ended.append(number)
        return number

    async def story() -> list[int]:
        answers: list[int] = []
        with pytest.raises(ValueError, match="three"):
            await collect(answers_in_order(Requests(9), handle, pending_max=5), answers)
        assert len(asyncio.all_tasks()) == 1
        return answers

    assert run_virtual(story()) == [0, 1, 2]
    assert 4 in ended


def test_a_reader_that_goes_away_ends_the_work() -> None:
    """Closed in the middle, nothing goes on."""

    async def handle(number: int) -> int:
        await asyncio.sleep(1)
        return number

    async def story() -> None:
        async with aclosing(answers_in_order(Requests(100), handle, pending_max=3)) as answers:
            assert await anext(answers) == 0
        assert len(asyncio.all_tasks()) == 1

    run_virtual(story())
