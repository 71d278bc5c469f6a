"""Limits of real edge processes, counted in a real Redis, which goes away and comes back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.redis_server import Redis, running_redis, why_no_redis
from tests.wire.edge_processes import BODY, connections, running, signed, until

pytestmark = pytest.mark.skipif(bool(why_no_redis()), reason=why_no_redis())

BUDGET = 10


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that is empty."""
    with running_redis(tmp_path) as found:
        yield found


async def post(session: aiohttp.ClientSession, address: str, *, secret: str | None = None) -> int:
    """Send a delivery, by default a valid one; return its status."""
    headers = signed() if secret is None else signed(secret=secret)
    async with session.post(f"http://{address}/webhooks/payments", data=BODY, headers=headers) as response:
        await response.read()
        return response.status


async def measured(session: aiohttp.ClientSession, admin: str, metric: str) -> float:
    """Return a metric's value, 0 where it has none yet."""
    async with session.get(f"http://{admin}/metrics") as response:
        found = re.search(rf"^{re.escape(metric)} (\S+)$", await response.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_two_edges_share_one_budget(redis: Redis, tmp_path: Path) -> None:
    """What one replica has counted, the other counts on from; what could not be counted in time is told by a metric."""
    async with (
        running(tmp_path, edges=2, EDGE_LIMIT_STORAGE=redis.url, EDGE_LIMIT_UNVERIFIED=f"{BUDGET}/hour") as edges,
        connections(keep=True) as session,
    ):
        places = [await edge.up() for edge in edges]
        statuses = [await post(session, places[count % 2][0], secret="wrong") for count in range(3 * BUDGET)]
        uncounted = [
            await measured(session, admin, 'limit_hits_total{limit="unverified",result="not_counted"}')
            for _, admin in places
        ]
        assert set(statuses) == {403, 429}
        assert statuses.count(403) == BUDGET + sum(uncounted)
        assert [await post(session, address) for address, _ in places] == [200, 200]


@pytest.mark.timed
async def test_a_redis_that_dies_and_comes_back_refuses_nobody(redis: Redis, tmp_path: Path) -> None:
    """Good and bad deliveries go on while it is killed and started again: every good one is accepted."""
    async with (
        running(
            tmp_path,
            EDGE_LIMIT_STORAGE=redis.url,
            EDGE_LIMIT_UNVERIFIED=f"{BUDGET}/hour",
            EDGE_LIMIT_VERIFIED="1000000/hour",
        ) as [edge],
        connections(keep=True) as session,
    ):
        address, admin = await edge.up()
        good: list[int] = []
        bad: list[int] = []
        done = asyncio.Event()

        async def send() -> None:
            while not done.is_set():
                good.append(await post(session, address))
                bad.append(await post(session, address, secret="wrong"))

        async def counting(*, is_up: bool) -> None:
            async with asyncio.timeout(20):
                while await measured(session, admin, "limit_storage_up") != is_up:  # noqa: ASYNC110 - as in `until`
                    await asyncio.sleep(0.05)

        sending = [asyncio.create_task(send()) for _ in range(4)]
        await until(lambda: 429 in bad, timeout_s=10)
        await asyncio.to_thread(redis.kill)
        await counting(is_up=False)
        before = len(good)
        await asyncio.sleep(0.3)
        assert len(good) > before
        await asyncio.to_thread(redis.start)
        await counting(is_up=True)
        done.set()
        await asyncio.gather(*sending)
        events = [line["event"] for line in edge.lines if line["event"].startswith("limits ")]
    assert set(good) == {200}
    assert set(bad) == {403, 429}
    assert events[:2] == ["limits can't be counted; everything passes", "limits are counted again"]
