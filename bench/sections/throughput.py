"""Saturation: the rate each server reaches, what it costs per webhook, and who is how many times faster."""

from __future__ import annotations

import itertools
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from bench import drawing, medians, mesh, servers, traffic, window
from bench.audit import Audit, problems
from bench.comparing import Sample
from bench.gates import Gate
from bench.launching import LaunchError
from bench.medians import Cell
from bench.processes import ProcessLostError
from bench.wrk import WrkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from bench.plan import Plan
    from bench.window import Window

TITLE = "Throughput at saturation"
BY_DEFAULT = True
# Requests/s to have ready before the first rate is known: well above what each reached anywhere.
_RATES = {"bare": 40_000.0, "conventional-1": 1_500.0, "conventional-4": 2_500.0, "mesh": 8_000.0}
# What the mesh is held to since it first ran, and what it is to reach: two steps of one ladder, each a gate.
_PYTHON_CPU_US_MAX = {"floor": 420.0, "goal": 240.0}
_MONGOD_CPU_US_MAX = {"goal": 100.0}
_TIMES_MIN = {"floor": {"conventional": 5.0, "bare": 0.15}, "goal": {"conventional": 8.0, "bare": 0.24}}
_OTHERS_CORES_MAX = 0.15


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure every server in turn, `plan.rounds` times over."""
    windows: list[Window] = []
    audits: list[Audit] = []
    failures: list[str] = []
    for number, name in itertools.product(range(plan.rounds), plan.servers):
        try:
            measured, audit = _measure_server(name, plan, seed=number)
        except (LaunchError, ProcessLostError, WrkError) as failure:
            # One server's failure spoils the run's validity, not the figures of the others.
            failures.append(f"{name}, round {number + 1}: {failure}")
            say(f"    INVALID: {failures[-1]}")
            continue
        windows += measured
        audits.append(audit)
        for one in measured:
            say(_line(number + 1, one))
        for problem in audit.problems():
            say(f"    INVALID: {problem}")
    if not windows:
        raise LaunchError("; ".join(failures))
    cells = medians.summarize(windows)
    return {
        "problems": [*failures, *problems(audits)],
        "ratios": ratios(cells),
        "cells": [{**asdict(cell), "python_cpu_us": cell.python_cpu_us} for cell in cells],
        "windows": [asdict(one) for one in windows],
        "audits": [asdict(audit) for audit in audits],
    }


def _measure_server(name: str, plan: Plan, *, seed: int) -> tuple[list[Window], Audit]:
    with tempfile.TemporaryDirectory(dir=plan.scratch, prefix=f"{name}-") as temporary:
        folder = Path(temporary)
        with servers.available()[name](folder) as server:
            sender = window.Sender(server, traffic.Payments(seed), scratch=folder, rate=_RATES[name])
            sender.prepare(concurrency=plan.concurrencies[0], duration_s=plan.warmup_s)
            warmup = sender.send(concurrency=plan.concurrencies[0], duration_s=plan.warmup_s)
            # A warm-up that others slowed down must not leave the windows short of requests.
            sender.rate = max(warmup.requests_per_s, _RATES[name] / 2)
            measured = [
                window.measure(sender, concurrency=concurrency, duration_s=plan.duration_s)
                for concurrency in plan.concurrencies
            ]
            complaints = [*warmup.complaints(), *(complaint for one in measured for complaint in one.complaints)]
            audit = Audit(
                server=server.name,
                accepted=warmup.accepted + sum(one.accepted for one in measured),
                issued=warmup.issued + sum(one.issued for one in measured),
                stored=server.stored(),
                mongod_options=server.mongod_options(),
                complaints=complaints,
            )
        traces = folder / mesh.TRACES  # written when the receiver has ended
        return measured, replace(audit, traces=json.loads(traces.read_text()) if traces.exists() else None)


def _line(number: int, one: Window) -> str:
    noise = f"  [others used {one.others_cores:.2f} cores]" if one.others_cores > _OTHERS_CORES_MAX else ""
    return (
        f"  round {number}  {one.server:<24} c={one.concurrency:<4} {one.requests_per_s:>8,.0f}/s"
        f"  p50 {one.p50_ms:.1f} ms  p99 {one.p99_ms:.1f} ms{noise}"
    )


def _cells(figures: dict[str, Any]) -> list[Cell]:
    derived = {"python_cpu_us"}
    return [Cell(**{name: cell[name] for name in cell.keys() - derived}) for cell in figures["cells"]]


def ratios(cells: Sequence[Cell]) -> dict[str, float]:
    """Compare the mesh's best with the best of the others; what was not measured is left out."""
    ours = medians.best(cells, "mesh")
    if ours is None:
        return {}
    others = {"conventional": medians.best(cells, "conventional"), "bare": medians.best(cells, "bare")}
    return {name: ours.requests_per_s / it.requests_per_s for name, it in others.items() if it is not None}


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold CPU, both ratios and validity against their limits."""
    cells = _cells(figures)
    found = [Gate(name="reasons not to quote this run", value=len(figures["problems"]), limit=0, unit="", at_most=True)]
    ours = medians.best(cells, "mesh")
    if ours is not None:
        mongod_us = ours.cpu_us.get(medians.MONGOD, 0.0)
        for name, value, limits in (
            ("Python CPU per webhook, all processes", ours.python_cpu_us, _PYTHON_CPU_US_MAX),
            ("mongod CPU per webhook", mongod_us, _MONGOD_CPU_US_MAX),
        ):
            found += [
                Gate(name=f"{name} ({step})", value=value, limit=limit, unit="µs", at_most=True)
                for step, limit in limits.items()
            ]
    found += [
        Gate(name=f"mesh / {name} ({step})", value=value, limit=least[name], unit="×", at_most=False)
        for step, least in _TIMES_MIN.items()
        for name, value in ratios(cells).items()
    ]
    return found


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out rates, then CPU and memory by process, then the ratios."""
    cells = _cells(figures)
    return [_rates_table(cells), _cost_table(cells), *figures["problems"], *_noise(cells)]


def _noise(cells: Sequence[Cell]) -> list[str]:
    most = max(cell.others_cores for cell in cells)
    if most <= _OTHERS_CORES_MAX:
        return []
    return [f"NOISY: other programs kept up to {most:.1f} cores busy; measure again on a quiet machine to quote it."]


def _rates_table(cells: Sequence[Cell]) -> Table:
    table = Table(title=f"{TITLE} (medians of {cells[0].rounds} rounds)", title_justify="left")
    table.add_column("server")
    for heading in ("conc.", "requests/s", "min–max", "p50 ms", "p99 ms", "× conv. best", "× bare", "others, cores"):
        table.add_column(heading, justify="right")
    for cell in cells:
        rivals = [medians.best(cells, "conventional"), medians.best(cells, "bare")]
        times = [f"{cell.requests_per_s / rival.requests_per_s:.2f}" if rival else "–" for rival in rivals]
        low, high = cell.requests_per_s_range
        table.add_row(
            cell.server,
            str(cell.concurrency),
            f"{cell.requests_per_s:,.0f}",
            f"{low:,.0f}–{high:,.0f}",
            f"{cell.p50_ms:.1f}",
            f"{cell.p99_ms:.1f}",
            *times,
            f"{cell.others_cores:.2f}",
        )
    return table


def _cost_table(cells: Sequence[Cell]) -> Table:
    table = Table(title="CPU per webhook and memory, by process", title_justify="left")
    for heading in ("server", "CPU µs by process"):
        table.add_column(heading)
    for heading in ("conc.", "Python µs", "mongod µs", "late µs", "RSS MiB"):
        table.add_column(heading, justify="right")
    for cell in cells:
        by_process = sorted(cell.cpu_us.items(), key=lambda item: -item[1])
        table.add_row(
            cell.server,
            "  ".join(f"{name} {used:.0f}" for name, used in by_process),
            str(cell.concurrency),
            f"{cell.python_cpu_us:.0f}",
            f"{cell.cpu_us.get(medians.MONGOD, 0):.0f}",
            f"{cell.late_cpu_us:.0f}",
            "  ".join(f"{name} {used:.0f}" for name, used in sorted(cell.rss_mib.items())),
        )
    return table


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare rates and CPU, by server and concurrency."""
    cells: dict[str, list[dict[str, Any]]] = {}
    for one in figures["windows"]:
        cells.setdefault(f"{one['server']}, c={one['concurrency']}", []).append(one)
    found: dict[str, Sample] = {}
    for cell, rounds in cells.items():
        rates = tuple(one["requests_per_s"] for one in rounds)
        found[f"{cell}: rate"] = Sample(values=rates, unit="/s", more_is_better=True)
        costs = tuple(sum(one["cpu_us"].values()) + sum(one["late_cpu_us"].values()) for one in rounds)
        found[f"{cell}: CPU"] = Sample(values=costs, unit="µs", more_is_better=False)
    return found


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Draw rates, and CPU by process."""
    return [drawing.throughput(_cells(figures), folder / "throughput.png")]
