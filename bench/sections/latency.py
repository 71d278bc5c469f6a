"""Latency at a constant rate: what a webhook waits at a quarter, half and three quarters of saturation."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench import costs, drawing, mesh, processes, steady, traffic, waits, window
from bench.comparing import Sample
from bench.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.plan import Plan
    from bench.server import Server

TITLE = "Latency at a constant rate"
BY_DEFAULT = True
SHARES: Final = (0.25, 0.5, 0.75)
_RATE: Final = 8_000.0
_LEAD_S: Final = 1.0
_HELD: Final = 0.5
_P99_MS_MAX: Final = 25.0
_P999_MS_MAX: Final = 60.0


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Saturate one mesh, then send to it at shares of the rate it reached, each in every round."""
    payments = traffic.Payments(seed=0)
    with tempfile.TemporaryDirectory(dir=plan.scratch, prefix="latency-") as temporary:
        folder = Path(temporary)
        with mesh.start(folder) as server:
            saturation = saturate(window.Sender(server, payments, scratch=folder, rate=_RATE), plan)
            say(f"  saturation {saturation:,.0f}/s")
            runs: list[dict[str, Any]] = []
            for _ in range(plan.rounds):
                for share in SHARES:
                    runs.append(_run(server, payments, folder, plan, share=share, rate=share * saturation))
                    say(_line(runs[-1]))
        # Written when the receiver of the traces has ended.
        spans = waits.read(folder)
    windows = [run["window_ns"] for run in runs if run["share"] == _HELD]
    return {
        "saturation_per_s": saturation,
        "runs": runs,
        "shares": [_summary(runs, share) for share in SHARES],
        "costs": _costs(runs),
        "waits": [asdict(wait) for wait in waits.waits(spans, windows)],
    }


def saturate(sender: window.Sender, plan: Plan) -> float:
    """Warm a server up and return the rate it then reaches over the most connections."""
    concurrency = max(plan.concurrencies)
    sender.prepare(concurrency=concurrency, duration_s=plan.warmup_s)
    sender.send(concurrency=concurrency, duration_s=plan.warmup_s)
    return window.measure(sender, concurrency=concurrency, duration_s=plan.duration_s).requests_per_s


def _run(
    server: Server, payments: traffic.Payments, folder: Path, plan: Plan, *, share: float, rate: float
) -> dict[str, Any]:
    sender = steady.SteadySender(server, payments, scratch=folder, rate=rate, lead_s=_LEAD_S)
    groups, sent_s = processes.members(server.processes), plan.duration_s + _LEAD_S
    waited_s, began_ns, batches = processes.waited_s(groups), time.time_ns(), costs.BatchCount(server)
    seen = window.measure(sender, concurrency=steady.CONNECTIONS, duration_s=sent_s)
    waiting = max(0.0, processes.waited_s(groups) - waited_s) / sent_s
    return {
        "share": share,
        "rate": rate,
        "waiting": waiting,
        "batches": batches.seen(),
        "window_ns": (began_ns, time.time_ns()),
        **asdict(seen),
        **asdict(sender.paces[0]),
    }


def _costs(runs: list[dict[str, Any]]) -> dict[str, float] | None:
    spent = [
        costs.Spent(
            webhooks=run["accepted"],
            batches=run["batches"],
            cpu_s=sum(run["cpu_us"].values()) * run["accepted"] / 1e6,
        )
        for run in runs
    ]
    found = costs.fitted(spent)
    return asdict(found) if found is not None else None


def _summary(runs: list[dict[str, Any]], share: float) -> dict[str, Any]:
    rounds = [run for run in runs if run["share"] == share]
    names = ("rate", "p50_ms", "p99_ms", "p999_ms", "late_p99_ms", "waiting", "others_cores")
    return {
        "share": share,
        "cpu_us": statistics.median(sum(run["cpu_us"].values()) for run in rounds),
        "per_batch": statistics.median(run["accepted"] / max(1, run["batches"]) for run in rounds),
        **{name: statistics.median(run[name] for run in rounds) for name in names},
        "complaints": [complaint for run in rounds for complaint in run["complaints"]],
    }


def _line(run: dict[str, Any]) -> str:
    return (
        f"  {run['share']:.0%} = {run['rate']:,.0f}/s  p50 {run['p50_ms']:.1f} ms  p99 {run['p99_ms']:.1f} ms"
        f"  p99.9 {run['p999_ms']:.1f} ms  [others used {run['others_cores']:.2f} cores]"
    )


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold half of saturation against its limits, and every rate against what the driver saw going wrong."""
    half = next(one for one in figures["shares"] if one["share"] == _HELD)
    wrong = sum(len(one["complaints"]) for one in figures["shares"])
    return [
        Gate(name="complaints at a constant rate", value=wrong, limit=0, unit="", at_most=True),
        Gate(name="p99 at 50 % of saturation", value=half["p99_ms"], limit=_P99_MS_MAX, unit="ms", at_most=True),
        Gate(name="p99.9 at 50 % of saturation", value=half["p999_ms"], limit=_P999_MS_MAX, unit="ms", at_most=True),
    ]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out a row per rate."""
    caption = (
        "from when a request was meant to leave; `left late` counts the wait for a free connection, too; "
        "`waiting` is how many threads of the mesh and its mongod were ready and had no core, on average"
        + _fitted(figures["costs"])
    )
    title = f"{TITLE} (saturation {figures['saturation_per_s']:,.0f}/s; medians)"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    columns = ("p50 ms", "p99 ms", "p99.9 ms", "left late, p99 ms", "in a batch", "CPU µs", "waiting", "others, cores")
    for heading in ("share", "requests/s", *columns):
        table.add_column(heading, justify="right")
    for one in figures["shares"]:
        table.add_row(
            f"{one['share']:.0%}",
            f"{one['rate']:,.0f}",
            *(f"{one[name]:.1f}" for name in ("p50_ms", "p99_ms", "p999_ms", "late_p99_ms")),
            f"{one['per_batch']:.0f}",
            f"{one['cpu_us']:.0f}",
            f"{one['waiting']:.1f}",
            f"{one['others_cores']:.2f}",
        )
    ways = waits.table(figures["waits"], f"Where a webhook waits at {_HELD:.0%} of saturation")
    return [table, ways, *(complaint for one in figures["shares"] for complaint in one["complaints"])]


def _fitted(found: dict[str, float] | None) -> str:
    if found is None:
        return ""
    batch_ms, webhook_us = found["batch_us"] / 1e3, found["webhook_us"]
    return f"; fitted over all rounds, a batch costs {batch_ms:.1f} ms of CPU and each webhook {webhook_us:.0f} µs"


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare the percentiles at each share."""
    return {
        f"{share:.0%}: {name}": Sample(
            values=tuple(run[f"{name}_ms"] for run in figures["runs"] if run["share"] == share),
            unit="ms",
            more_is_better=False,
        )
        for share in SHARES
        for name in ("p50", "p99", "p999")
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Draw the percentiles by rate."""
    lines = {
        label: [one[name] for one in figures["shares"]]
        for label, name in (("p50", "p50_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"))
    }
    rates = [one["rate"] for one in figures["shares"]]
    axes = drawing.Axis(across="webhooks a second, constant", up="ms from when it was meant to leave", log_up=True)
    return [drawing.curves(rates, lines, axes, folder / "latency.png")]
