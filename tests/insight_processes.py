"""Real insight processes, over a ledger that only knows its feed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from motor.motor_asyncio import AsyncIOMotorClient

from mesh.settings import environment_without
from services.insight.memory import EMPTY

Start = Callable[..., Any]


class Process:
    """A running insight and its log."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        """Read the log of `child`."""
        self.child = child
        self.lines: list[dict[str, Any]] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.child.stdout is not None
        async for line in self.child.stdout:
            self.lines.append(orjson.loads(line))

    async def logged(self, event: str) -> dict[str, Any]:
        """Wait for a line of the log."""
        async with asyncio.timeout(15):
            while True:
                for line in self.lines:
                    if line["event"] == event:
                        return line
                await asyncio.sleep(0.02)

    async def end(self, signum: signal.Signals) -> int:
        """Send a signal, wait for the end, return its exit code."""
        self.child.send_signal(signum)
        async with asyncio.timeout(15):
            code = await self.child.wait()
        await self.reading
        return code


@asynccontextmanager
async def processes() -> AsyncIterator[Start]:
    """Yield what starts processes; those that are left at the end are killed."""
    started: list[Process] = []

    async def start(**environment: str) -> Process:
        variables = {
            **environment_without("OTEL_", "INSIGHT_", "MONGO_"),
            "INSIGHT_BIND": "127.0.0.1:0",
            "INSIGHT_FLUSH_S": "0.05",
            "INSIGHT_LEASE_S": "1",
            "AUTOPAY_DRAIN_NOTICE_S": "0",
            **environment,
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.insight", stdout=asyncio.subprocess.PIPE, env=variables
        )
        process = Process(child)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.child.returncode is None:
            os.kill(process.child.pid, signal.SIGKILL)
            await process.child.wait()
        await process.reading


async def documents(url: str) -> tuple[dict[str, tuple[bytes, bytes]], dict[str, Any]]:
    """The stored memories by key, and the learner's document."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(url)
    database = client.get_default_database()
    profiles = {
        found["_id"]: (found.get("sends", EMPTY), found.get("receives", EMPTY))
        async for found in database["profiles"].find()
    }
    state = await database["insight_state"].find_one({"_id": "learner"})
    client.close()
    return profiles, state or {}


async def until_position(url: str, *, at_least: int) -> None:
    """Wait until so many changes of the feed are learnt and saved."""
    async with asyncio.timeout(30):
        while True:
            _, state = await documents(url)
            if int(state.get("token") or "0") >= at_least:
                return
            await asyncio.sleep(0.02)
