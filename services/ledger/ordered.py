"""Requests of a stream handled some at a time and answered in their order; no more is read than is being handled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


async def answers_in_order(
    requests: AsyncIterable[RequestT], handle: Callable[[RequestT], Awaitable[AnswerT]], *, pending_max: int
) -> AsyncGenerator[AnswerT]:
    """Yield the answer to each request, in order; read the next one only while fewer than `pending_max` are pending.

    A request is pending until its answer was taken, so a reader that is slow to take answers slows the sender down.
    What handling a request raises is raised in its turn, after the answers to those before it.
    """
    slots = asyncio.Semaphore(pending_max)
    pending: asyncio.Queue[asyncio.Task[AnswerT] | None] = asyncio.Queue()
    tasks: set[asyncio.Task[AnswerT]] = set()

    async def answer(request: RequestT) -> AnswerT:
        return await handle(request)

    async def read() -> None:
        try:
            await slots.acquire()
            async for request in requests:
                task = asyncio.create_task(answer(request))
                tasks.add(task)
                pending.put_nowait(task)
                await slots.acquire()
        finally:
            pending.put_nowait(None)

    reading = asyncio.create_task(read())
    try:
        while (task := await pending.get()) is not None:
            yield await task
            tasks.discard(task)
            slots.release()
        await reading
    finally:
        for each in (reading, *tasks):
            each.cancel()
        for each in (reading, *tasks):
            # Whoever goes away is told nothing more; what was already sent to storage may be written all the same.
            with suppress(asyncio.CancelledError, Exception):
                await each
