"""Mixed traffic: three providers, a tenth sent again, a twentieth forged; nothing lost, doubled or believed."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench import mesh, mixture, window
from bench.comparing import Sample
from bench.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.plan import Plan

TITLE = "Mixed traffic"
BY_DEFAULT = False
_RATE: Final = 6_000.0


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Saturate one mesh with the mixture, and account for every request."""
    concurrency = max(plan.concurrencies)
    with (
        tempfile.TemporaryDirectory(dir=plan.scratch, prefix="mixed-") as temporary,
        mesh.start(Path(temporary), mixture.environment()) as server,
    ):
        sender = mixture.MixedSender(server, scratch=Path(temporary), rate=_RATE, seed=0)
        windows: list[dict[str, Any]] = []
        warmup = None
        for number in range(plan.rounds + 1):
            seconds = plan.duration_s if number else plan.warmup_s
            seen = window.measure(sender, concurrency=concurrency, duration_s=seconds)
            if number == 0:
                warmup = seen
                continue
            windows.append(asdict(seen))
            say(f"  round {number}  {seen.requests_per_s:,.0f} accepted/s  p99 {seen.p99_ms:.1f} ms")
        stored = server.stored() or 0
    slack = concurrency * (len(windows) + (warmup is not None))
    problems = list(sender.problems)
    if not sender.fresh - slack <= stored <= sender.fresh:
        problems.append(f"{sender.fresh} payments sent, {stored} stored")
    return {"windows": windows, "payments": sender.fresh, "stored": stored, "problems": problems}


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold what was lost, doubled or believed against nothing."""
    wrong = len(figures["problems"])
    return [Gate(name="accounts of mixed traffic that don't balance", value=wrong, limit=0, unit="", at_most=True)]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out a row per round."""
    caption = (
        f"{figures['payments']:,} different payments sent, {figures['stored']:,} stored (a few cut off at the end)"
    )
    table = Table(title=TITLE, title_justify="left", caption=caption, caption_justify="left")
    for heading in ("round", "accepted/s", "p50 ms", "p99 ms", "CPU µs per accepted", "others, cores"):
        table.add_column(heading, justify="right")
    for number, one in enumerate(figures["windows"], start=1):
        table.add_row(
            str(number),
            f"{one['requests_per_s']:,.0f}",
            f"{one['p50_ms']:.1f}",
            f"{one['p99_ms']:.1f}",
            f"{sum(one['cpu_us'].values()) + sum(one['late_cpu_us'].values()):.0f}",
            f"{one['others_cores']:.2f}",
        )
    return [table, *figures["problems"]]


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare the rate."""
    rates = tuple(one["requests_per_s"] for one in figures["windows"])
    return {"rate": Sample(values=rates, unit="/s", more_is_better=True)}


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
