"""Limits counted in a real MongoDB, for whoever has that and no Redis."""

from __future__ import annotations

import asyncio
import io

from prometheus_client import CollectorRegistry

from edge import limits
from edge.limits import Limits
from edge.settings import EdgeSettings
from mesh import logs


def opened(url: str) -> Limits:
    """Return limits that are counted there, as one edge has them."""
    log = logs.configure("edge", "info", io.TextIOWrapper(io.BytesIO()))
    return limits.build(EdgeSettings.load(limit_storage=url, limit_unverified="3/hour"), CollectorRegistry(), log)


async def test_two_edges_share_a_budget_in_mongodb(mongo_url: str) -> None:
    """What one has counted, the other counts on from, in the URL's own database."""
    one, other = opened(mongo_url), opened(mongo_url)
    waits: list[float | None] = []
    async with asyncio.timeout(20):
        # The first use makes indexes, which may take longer than a limit waits for; until then everything passes.
        while None in waits[-2:] or not waits:
            waits += [await one.unverified.hit("203.0.113.1"), await other.unverified.hit("203.0.113.1")]
            await asyncio.sleep(0.05)
    assert len(waits) >= 4
    assert all(0 < (wait or 0) <= 3600 for wait in waits[-2:])
    assert await one.unverified.hit("203.0.113.2") is None
