"""Pauses of uneven length, so that replicas which failed together do not come back together."""

from __future__ import annotations

import asyncio
import random


async def pause(longest_s: float) -> None:
    """Sleep for half to all of `longest_s`."""
    await asyncio.sleep(longest_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, hides nothing
