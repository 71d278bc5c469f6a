"""The mesh by its connections: rate and latency from one connection to 512."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench import drawing, mesh, traffic, window
from bench.comparing import Sample
from bench.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.plan import Plan

TITLE = "The mesh by its connections"
BY_DEFAULT = False
_RATE: Final = 8_000.0
_CONNECTIONS: Final = tuple(2**power for power in range(10))


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure one mesh at each number of connections, half a window each."""
    seen: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(dir=plan.scratch, prefix="concurrency-") as temporary,
        mesh.start(Path(temporary)) as server,
    ):
        sender = window.Sender(server, traffic.Payments(seed=0), scratch=Path(temporary), rate=_RATE)
        sender.prepare(concurrency=_CONNECTIONS[-1], duration_s=plan.warmup_s)
        sender.send(concurrency=_CONNECTIONS[-1], duration_s=plan.warmup_s)
        for connections in _CONNECTIONS:
            one = window.measure(sender, concurrency=connections, duration_s=max(1.0, plan.duration_s / 2))
            seen.append(asdict(one))
            say(f"  c={connections:<4} {one.requests_per_s:>8,.0f}/s  p50 {one.p50_ms:.1f} ms  p99 {one.p99_ms:.1f} ms")
    return {"windows": seen}


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold the driver's complaints against none."""
    wrong = sum(len(one["complaints"]) for one in figures["windows"])
    return [Gate(name="complaints by connections", value=wrong, limit=0, unit="", at_most=True)]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out a row per number of connections."""
    table = Table(title=TITLE, title_justify="left")
    for heading in ("connections", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs", "others, cores"):
        table.add_column(heading, justify="right")
    for one in figures["windows"]:
        table.add_row(
            str(one["concurrency"]),
            f"{one['requests_per_s']:,.0f}",
            *(f"{one[name]:.1f}" for name in ("p50_ms", "p99_ms", "p999_ms")),
            f"{sum(one['cpu_us'].values()) + sum(one['late_cpu_us'].values()):.0f}",
            f"{one['others_cores']:.2f}",
        )
    return [table]


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare the rate at each number of connections."""
    return {
        f"c={one['concurrency']}: rate": Sample(values=(one["requests_per_s"],), unit="/s", more_is_better=True)
        for one in figures["windows"]
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Draw the rate, and the latency, by connections."""
    windows = figures["windows"]
    across = [one["concurrency"] for one in windows]
    rates = drawing.Axis(across="connections", up="webhooks a second", log_across=True)
    waits = drawing.Axis(across="connections", up="ms", log_across=True, log_up=True)
    latencies = {name: [one[f"{name}_ms"] for one in windows] for name in ("p50", "p99")}
    return [
        drawing.curves(across, {"mesh": [one["requests_per_s"] for one in windows]}, rates, folder / "rates.png"),
        drawing.curves(across, latencies, waits, folder / "waits.png"),
    ]
