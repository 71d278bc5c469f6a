"""Waiting in tests for what another task or process does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], *, within_s: float = 30.0) -> None:
    """Return once a condition holds.

    Raises:
        TimeoutError: it doesn't, within `within_s` seconds.
    """
    async with asyncio.timeout(within_s):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)
