"""What each process's own code takes for one webhook, from bytes to bytes, in one process and without a network."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import uvloop
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from rich.table import Table

from bench import comparing, stage_edge, stages, traffic
from mesh.spans import Exporting
from mesh.tracing import Tracing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from rich.console import RenderableType

    from bench.gates import Gate
    from bench.plan import Plan

TITLE = "One webhook's work, by process"
BY_DEFAULT = False
_BATCH: Final = 256
_SEED: Final = 3
_ROUNDS: Final = 12
_REPEATS: Final = 5
# As the processes have it (mesh/lifecycle.py): garbage is looked for seldom.
_GARBAGE: Final = (50_000, 20, 20)


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure every stage, each in turn, `plan.rounds` times."""
    before = gc.get_threshold()
    gc.set_threshold(*_GARBAGE)
    try:
        found = uvloop.run(_measure(repeats=_REPEATS * plan.rounds))
    finally:
        gc.set_threshold(*before)
    for name, us in found.items():
        say(f"  {name:<52} {us:6.1f} µs")
    return {"stages": found}


async def _measure(*, repeats: int) -> dict[str, float]:
    bodies = list(traffic.Payments(_SEED).take(_BATCH))
    ledger, insight = stages.Ledger(), stages.Insight()
    ingest = stages.Ingest(insight, ledger)
    async with AsyncExitStack() as stack:
        bare = await stage_edge.bare_handler(bodies, stack)
        edge, channel = await stage_edge.edge(bodies, ingest, stack)
        await edge.round()
        entries, tracing = ledger.entries(), _sampling()
        work: dict[str, Callable[[], Awaitable[object]]] = {
            "a bare handler: request in, answer out": bare.round,
            "edge: request in, answer out": edge.round,
            "ingest: a delivery in, its answer out": lambda: ingest.ingest(channel.request),
            "insight: a score": lambda: insight.score(ingest.scores.request),
            "ledger: an item in, its documents and answer out": lambda: ledger.record(ingest.records.request),
            "ledger: a change for who watches": lambda: _now(lambda: ledger.tell(entries)),
            "a span, where one is sampled": lambda: _now(lambda: _spans(tracing)),
        }
        least = dict.fromkeys(work, float("inf"))
        # In turn, so that a disturbance meets them all.
        for _ in range(repeats):
            for name, act in work.items():
                least[name] = min(least[name], await _taken_s(act))
    return {name: taken_s / _ROUNDS / _BATCH * 1e6 for name, taken_s in least.items()}


async def _taken_s(act: Callable[[], Awaitable[object]]) -> float:
    await act()
    started_s = time.thread_time()
    for _ in range(_ROUNDS):
        await act()
    return time.thread_time() - started_s


async def _now(act: Callable[[], object]) -> None:
    await asyncio.sleep(0)
    act()


def _sampling() -> Tracing:
    ended: list[object] = []

    def end(span: object) -> None:
        ended[:] = [span]

    return Tracing(Exporting(Resource({}), InstrumentationScope("bench"), end), ratio=1.0)


def _spans(tracing: Tracing) -> None:
    for _ in range(_BATCH):
        span = tracing.root("bench").span
        assert span is not None  # noqa: S101 - everything is sampled
        span.set_attribute("autopay.outcome", "processed")
        span.end()


def gates(figures: dict[str, Any]) -> list[Gate]:  # noqa: ARG001 - the throughput section promises the sum
    """Promise nothing."""
    return []


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out a row per stage."""
    caption = f"batches of {_BATCH}; the next hop answers at once; no network, no database, no exporter"
    table = Table(title=f"{TITLE} (CPU)", title_justify="left", caption=caption, caption_justify="left")
    table.add_column("stage", no_wrap=True)
    table.add_column("µs", justify="right")
    for name, us in figures["stages"].items():
        table.add_row(name, f"{us:.1f}")
    return [table]


def samples(figures: dict[str, Any]) -> dict[str, comparing.Sample]:
    """Compare every stage."""
    return {
        name: comparing.Sample(values=(us,), unit="µs", more_is_better=False) for name, us in figures["stages"].items()
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
