"""Two thousand slow connections take nothing from good traffic; how much longer it waits, the benchmark tells."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import aiohttp
import pytest

from bench import slow
from tests.wire.edge_processes import BODY, connections, running, signed

PATH = "/webhooks/payments"
SLOW = 2_000
PER_SECOND = 300
SECONDS = 3
# Far above what the edge itself waits, 1.6 s, and far below what a provider does.
DEADLINE_S = 5.0


async def sent(session: aiohttp.ClientSession, url: str) -> list[tuple[int, float]]:
    """Send deliveries at a fixed rate, whatever is still on its way; return each status, and how late it came."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def send(meant_s: float) -> tuple[int, float]:
        await asyncio.sleep(meant_s - loop.time())
        async with session.post(url, data=BODY, headers=signed()) as response:
            await response.read()
        return response.status, loop.time() - meant_s

    meant = [began + number / PER_SECOND for number in range(PER_SECOND * SECONDS)]
    return await asyncio.gather(*map(send, meant))


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * SLOW, reason=f"a process may not open {2 * SLOW} files"
)
async def test_good_traffic_is_served_beside_slow_connections(tmp_path: Path) -> None:
    """Beside 2,000 slow connections 300 deliveries a second are all accepted in time, by an edge as it is shipped."""
    async with running(tmp_path) as [edge], connections(keep=True) as session:
        address, _ = await edge.up()
        with slow.holding(int(address.rpartition(":")[2]), PATH, SLOW) as holder:
            answers = await sent(session, f"http://{address}{PATH}")
            held = await asyncio.to_thread(holder.end)
        assert edge.errors == ""
    assert {status for status, _ in answers} == {200}
    assert max(late_s for _, late_s in answers) < DEADLINE_S
    assert held.open_min > 0.9 * SLOW
