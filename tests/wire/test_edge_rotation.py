"""Secrets of real edge processes replaced under load, as an operator does it with a mounted Secret."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from tests.secret_mounts import mount
from tests.wire.edge_processes import BODY, connections, running, signed, until

OLD = "the-old-secret-0123456789abcdef-0123456789"
NEW = "the-new-secret-0123456789abcdef-0123456789"
RATE = 200
NOTICED_S_MAX = 5.0


class Load:
    """A sender that posts valid deliveries at a steady rate, whatever happens to the answers."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        """Begin with the old secret."""
        self.secret = OLD
        self.statuses: list[int] = []
        self._session = session
        self._url = f"http://{address}/webhooks/payments"

    async def run(self) -> None:
        """Send until cancelled; then wait for the answers that are due."""
        started, sent = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            try:
                while True:
                    group.create_task(self.post(self.secret, note=True))
                    sent += 1
                    await asyncio.sleep(max(0.0, started + sent / RATE - time.monotonic()))
            except asyncio.CancelledError:
                return

    async def post(self, secret: str, *, note: bool = False) -> int:
        """Send one delivery; return its status."""
        async with self._session.post(self._url, data=BODY, headers=signed(secret=secret)) as response:
            await response.read()
        if note:
            self.statuses.append(response.status)
        return response.status


@pytest.mark.timed
async def test_a_secret_is_replaced_under_load_without_a_refused_delivery(tmp_path: Path) -> None:
    """Add the new key, switch the sender, remove the old: nothing valid is refused, and the old key is within 5 s."""
    secrets = mount(tmp_path / "secrets", "..1", {"autopay/2025": OLD})
    async with (
        running(tmp_path, EDGE_SECRETS_DIR=str(secrets), EDGE_WORKERS="2", HMAC_SECRET_KEY="") as [edge],
        connections(keep=True) as session,
    ):
        address, _ = await edge.up(workers=2)
        load = Load(session, address)
        sending = asyncio.create_task(load.run())
        await asyncio.sleep(0.5)
        mount(secrets, "..2", {"autopay/2025": OLD, "autopay/2026": NEW})
        await until(lambda: len(edge.listening("secrets changed")) == 2, timeout_s=NOTICED_S_MAX)
        load.secret = NEW
        await asyncio.sleep(0.5)
        mount(secrets, "..3", {"autopay/2026": NEW})
        removed = time.monotonic()
        async with asyncio.timeout(NOTICED_S_MAX):
            refused = 0
            # Two workers share the port: the old key is dead when neither takes it.
            while refused < 40:
                refused = refused + 1 if await load.post(OLD) in {403, 429} else 0
        took_s = time.monotonic() - removed
        await asyncio.sleep(0.5)
        sending.cancel()
        await asyncio.wait([sending])
        assert [line for line in edge.lines if line["level"] == "error"] == []
    assert set(load.statuses) == {200}
    assert len(load.statuses) > RATE
    assert took_s < NOTICED_S_MAX
