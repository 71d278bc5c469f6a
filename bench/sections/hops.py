"""What a batch costs by itself, whatever is in it: a call from process to process, and a command to MongoDB."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from autopay.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from motor.motor_asyncio import AsyncIOMotorClient
from rich.table import Table

from bench import hop_server, launching, mongod, processes
from bench.comparing import Sample
from mesh.channel import call, open_channel
from mesh.streamed import StreamedMethod

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rich.console import RenderableType

    from bench.gates import Gate
    from bench.plan import Plan

TITLE = "What a batch costs by itself"
BY_DEFAULT = False
_WARMUP: Final = 100
# As below saturation: nobody is in the middle of anything when the next one comes.
_REST_S: Final = 0.002
_CALL_S: Final = 2.0
_REPLY_S: Final = 10.0
# A webhook's way: edge to ingest, ingest to insight and to the ledger; a payment and a delivery.
_CALLS: Final = 3
_COMMANDS: Final = 2
_CALLER: Final = "a call over an open stream, empty: who calls"
_SERVER: Final = "a call over an open stream, empty: who answers"
_CLIENT: Final = "an insert, journaled at a majority: who asks"
_STORAGE: Final = "an insert, journaled at a majority: mongod"


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure an empty call and an insert of one small document, one at a time, `plan.rounds` times in turn."""
    taken: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory(dir=plan.scratch, prefix="hops-") as temporary,
        mongod.fresh(Path(temporary)) as database,
        subprocess.Popen(
            launching.python("-m", "bench.hop_server"), stdout=subprocess.PIPE, text=True, env=launching.environment({})
        ) as server,
    ):
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            said = server.stdout.readline()
            if not said:
                message = "bench.hop_server ended before it listened; what it said stands above"
                raise launching.LaunchError(message)
            port = int(said)
            for _ in range(plan.rounds):
                found = uvloop.run(_round(port, server.pid, database, count=int(plan.duration_s * 100)))
                for name, us in found.items():
                    taken.setdefault(name, []).append(us)
        finally:
            server.kill()
    for name, each in taken.items():
        say(f"  {name:<52} {statistics.median(each):6.0f} µs")
    return {"taken_us": taken, "batch_us": _batch_us(taken)}


async def _round(port: int, server: int, database: mongod.Mongod, *, count: int) -> dict[str, float]:
    channel = open_channel(f"{launching.HOST}:{port}", service=hop_server.SERVICE)
    ingest, request = ingest_pb2_grpc.IngestServiceStub(channel).Ingest, ingest_pb2.IngestRequest()
    streamed = StreamedMethod(
        channel,
        f"/{hop_server.SERVICE}/Ingest",
        takes=ingest_pb2.IngestRequest,
        answers=ingest_pb2.IngestResponse,
    )
    alone = await _taken_us(lambda: call(ingest, request, timeout_s=_CALL_S), server, count=count)
    ours, theirs = await _taken_us(lambda: streamed(request, timeout_s=_CALL_S), server, count=count)
    await channel.close()
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(database.url)
    store = client["bench"]

    async def insert() -> None:
        document = {"_id": os.urandom(12), "body": "x" * 600}
        concern = {"w": "majority", "j": True}
        command = {"insert": "hops", "documents": [document], "ordered": False, "writeConcern": concern}
        async with asyncio.timeout(_REPLY_S):
            await store.command(command)

    asking, storing = await _taken_us(insert, database.pid, count=count)
    client.close()
    return {
        _CALLER: ours,
        _SERVER: theirs,
        _CLIENT: asking,
        _STORAGE: storing,
        "a call set up by itself, empty: who calls": alone[0],
        "a call set up by itself, empty: who answers": alone[1],
    }


async def _taken_us(act: Callable[[], Awaitable[object]], other: int, *, count: int) -> tuple[float, float]:
    """Return the CPU that one takes of this process and of another one."""
    for _ in range(_WARMUP):
        await act()
    group = {"other": (other,)}
    before, started_s = processes.sample(group), time.process_time()
    for _ in range(count):
        await act()
        await asyncio.sleep(_REST_S)
    spent_s = time.process_time() - started_s
    other_s = processes.spent_s(before, processes.sample(group))["other"]
    return spent_s / count * 1e6, other_s / count * 1e6


def _batch_us(taken: dict[str, list[float]]) -> float:
    caller, server, client, storage = (statistics.median(taken[name]) for name in (_CALLER, _SERVER, _CLIENT, _STORAGE))
    return _CALLS * (caller + server) + _COMMANDS * (client + storage)


def gates(figures: dict[str, Any]) -> list[Gate]:  # noqa: ARG001 - it is gRPC's, the driver's and mongod's cost
    """Promise nothing."""
    return []


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out each side of each, and the sum for a batch."""
    table = Table(title=f"{TITLE} (CPU)", title_justify="left", caption="one at a time", caption_justify="left")
    table.add_column("step", no_wrap=True)
    table.add_column("µs", justify="right")
    for name, each in figures["taken_us"].items():
        table.add_row(name, f"{statistics.median(each):.0f}")
    table.add_row(f"a batch: {_CALLS} calls and {_COMMANDS} inserts", f"{figures['batch_us']:.0f}")
    return [table]


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare every side."""
    return {
        name: Sample(values=tuple(each), unit="µs", more_is_better=False) for name, each in figures["taken_us"].items()
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
