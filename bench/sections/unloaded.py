"""Unloaded latency: one webhook at a time, beside one journaled majority insert on the same mongod."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern
from rich.table import Table

from bench import mesh, traffic, window
from bench.comparing import Sample
from bench.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.plan import Plan

TITLE = "Unloaded latency"
BY_DEFAULT = True
_RATE = 1_500.0
_TURNS = 3
_ABOVE_INSERT_MS_MAX = 5.0


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Take turns between sequential webhooks and sequential inserts."""
    turn_s = max(1.0, plan.duration_s / 2)
    webhook_ms: list[float] = []
    insert_ms: list[float] = []
    with (
        tempfile.TemporaryDirectory(dir=plan.scratch, prefix="unloaded-") as temporary,
        mesh.start(Path(temporary)) as server,
    ):
        sender = window.Sender(server, traffic.Payments(seed=0), scratch=Path(temporary), rate=_RATE)
        for turn in range(_TURNS + 1):
            sender.prepare(concurrency=1, duration_s=turn_s)
            reading = sender.send(concurrency=1, duration_s=turn_s)
            inserted = asyncio.run(_insert_ms(server.mongo_url or "", turn_s))
            if turn == 0:  # both are warming up
                continue
            webhook_ms.append(reading.p50_ms)
            insert_ms.append(inserted)
            say(f"  turn {turn}  webhook p50 {reading.p50_ms:.2f} ms  insert p50 {inserted:.2f} ms")
    webhook, insert = statistics.median(webhook_ms), statistics.median(insert_ms)
    return {
        "webhook_p50_ms": webhook,
        "insert_p50_ms": insert,
        "above_insert_ms": webhook - insert,
        "turns_above_ms": [ours - one for ours, one in zip(webhook_ms, insert_ms, strict=True)],
    }


async def _insert_ms(url: str, duration_s: float) -> float:
    """Return the median of sequential inserts of a comparable document, w: majority and journaled."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(url)
    concern = WriteConcern(w="majority", j=True)
    collection = client["bench"].get_collection("inserts", write_concern=concern)
    taken_ms: list[float] = []
    deadline = time.perf_counter() + duration_s
    payments = traffic.Payments(seed=time.time_ns())
    while (started := time.perf_counter()) < deadline:
        body = next(payments.take(1))
        await collection.insert_one({"body": body, "sha256": body[:32], "state": {"version": 1}})
        taken_ms.append((time.perf_counter() - started) * 1e3)
    client.close()
    return statistics.median(taken_ms)


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold the mesh's share of the latency against its limit."""
    above = figures["above_insert_ms"]
    name = "unloaded p50 above one insert"
    return [Gate(name=name, value=above, limit=_ABOVE_INSERT_MS_MAX, unit="ms", at_most=True)]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out both medians and their difference."""
    table = Table(title=f"{TITLE} (p50, one at a time)", title_justify="left")
    for heading in ("webhook through the mesh, ms", "one journaled majority insert, ms", "difference, ms"):
        table.add_column(heading, justify="right")
    table.add_row(*(f"{figures[name]:.2f}" for name in ("webhook_p50_ms", "insert_p50_ms", "above_insert_ms")))
    return [table]


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare what the mesh adds to an insert."""
    return {"above one insert": Sample(values=tuple(figures["turns_above_ms"]), unit="ms", more_is_better=False)}


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - two figures need no picture
    """Draw nothing."""
    return []
