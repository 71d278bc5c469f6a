"""What real edge processes tell together: metrics over workers that die, incidents over replicas that share a Redis."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.redis_server import running_redis, why_no_redis
from tests.wire.edge_processes import BODY, connections, running, signed

MONITORING = {"X-Monitoring-Key": "the-monitoring-key-0123456789"}
VARIABLES: dict[str, Any] = {"MONITORING_API_KEY": MONITORING["X-Monitoring-Key"], "EDGE_LIMIT_MONITORING": "off"}
DELIVERIES = 40
REFUSED = 6


async def post(session: aiohttp.ClientSession, address: str, *, secret: str | None = None) -> int:
    """Send a delivery, by default a valid one; return its status."""
    headers = signed() if secret is None else signed(secret=secret)
    async with session.post(f"http://{address}/webhooks/payments", data=BODY, headers=headers) as response:
        await response.read()
        return response.status


async def accepted(session: aiohttp.ClientSession, admin: str) -> float:
    """Return how many webhooks /metrics says were accepted."""
    async with session.get(f"http://{admin}/metrics") as response:
        text = await response.text()
    found = re.search(
        r'^webhooks_total\{outcome="processed",source="autopay",status="200"\} (\S+)$', text, re.MULTILINE
    )
    return float(found[1]) if found else 0.0


async def errors(session: aiohttp.ClientSession, address: str) -> Any:
    """Return the page of errors."""
    async with session.get(f"http://{address}/monitoring/errors", headers=MONITORING) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def becomes(ask: Callable[[], Awaitable[Any]], wanted: Any, *, timeout_s: float = 10) -> None:
    """Ask until the answer is the wanted one."""
    answer = None
    try:
        async with asyncio.timeout(timeout_s):
            while (answer := await ask()) != wanted:  # noqa: ASYNC110 - what another process does sets no event
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{answer} and not {wanted}") from None


async def test_any_worker_tells_of_all_and_nothing_is_lost_with_one(tmp_path: Path) -> None:
    """Whichever worker is asked, counts are those of all; they stay when a worker is killed and started again."""
    async with (
        running(tmp_path, EDGE_WORKERS="2", EDGE_LIMIT_UNVERIFIED="off", **VARIABLES) as [edge],
        connections(keep=False) as session,
    ):
        address, admin = await edge.up(workers=2)
        assert set(await asyncio.gather(*(post(session, address) for _ in range(DELIVERIES)))) == {200}
        assert {await post(session, address, secret="wrong") for _ in range(REFUSED)} == {403}

        async def totals() -> tuple[float, int, int]:
            page = await errors(session, address)
            return await accepted(session, admin), page["windows"]["5m"]["total"], len(page["recent"])

        await becomes(totals, (DELIVERIES, REFUSED, REFUSED))
        # Its last word to the others is a second old at most.
        await asyncio.sleep(1.2)
        os.kill(min(edge.workers), signal.SIGKILL)
        await edge.up(workers=3)
        for _ in range(8):
            assert await totals() == (DELIVERIES, REFUSED, REFUSED)
        assert await post(session, address) == 200
        await becomes(totals, (DELIVERIES + 1, REFUSED, REFUSED))


@pytest.mark.skipif(bool(why_no_redis()), reason=why_no_redis())
async def test_replicas_that_share_a_redis_tell_of_each_other(tmp_path: Path) -> None:
    """With a Redis the page is every replica's; without an answer from it, it is this replica's, and says so."""
    with running_redis(tmp_path) as redis:
        async with (
            running(tmp_path, edges=2, EDGE_LIMIT_STORAGE=redis.url, **VARIABLES) as edges,
            connections(keep=True) as session,
        ):
            (one, _), (two, _) = [await edge.up() for edge in edges]
            assert {await post(session, one, secret="wrong") for _ in range(3)} == {403}
            assert await post(session, two, secret="wrong") == 403

            async def seen() -> tuple[str, int]:
                # Asked itself, a replica publishes at once; the other does so every five seconds.
                await errors(session, one)
                page = await errors(session, two)
                return page["scope"], page["windows"]["1h"]["total"]

            await becomes(seen, ("every replica", 4))
            await asyncio.to_thread(redis.kill)
            await becomes(seen, ("this replica", 1))


async def test_health_tells_what_is_away(tmp_path: Path) -> None:
    """Ingest answers, the ledger doesn't: the page says so, and doesn't guess about what the ledger would report."""
    nowhere: dict[str, Any] = {"EDGE_LEDGER_TARGET": "127.0.0.1:9", "EDGE_INSIGHT_TARGET": "127.0.0.1:9"}
    async with running(tmp_path, **VARIABLES, **nowhere) as [edge], connections(keep=True) as session:
        address, _ = await edge.up()
        async with session.get(f"http://{address}/monitoring/health", headers=MONITORING) as response:
            page = await response.json()
        assert (response.status, page["status"]) == (503, "down")
        assert {each["name"]: each["state"] for each in page["dependencies"]} == {
            "ingest": "up", "ledger": "down", "mongodb": "unknown", "insight": "down", "gemini": "unknown"
        }  # fmt: skip
