"""Slow connections: what a webhook waits at a constant rate while 2,000 others never finish what they began."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench import mesh, processes, slow, steady, traffic
from bench.comparing import Sample
from bench.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.plan import Plan
    from bench.server import Server

TITLE = "Slow connections"
BY_DEFAULT = False
_CONNECTIONS: Final = 2_000
_RATE: Final = 300.0
# A round's p99 rests on the 30 slowest of 3,000: fewer rounds would compare accidents.
_ROUNDS_MIN: Final = 5
# So long that the edge ends each slow connection within a window, and has to take it in again.
_LONGER: Final = 2
_LEAD_S: Final = 1.0
_RATIO_MAX: Final = 2.0
# The edge ends each after ten seconds, and it is opened again a moment later.
_OPEN_MIN: Final = int(0.9 * _CONNECTIONS)
_SIDES: Final = ("without", "beside")


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Send to one mesh at a constant rate, in turn without and beside slow connections; which comes first changes."""
    with (
        tempfile.TemporaryDirectory(dir=plan.scratch, prefix="slow-") as temporary,
        mesh.start(Path(temporary)) as server,
    ):
        sending = _Sending(server, traffic.Payments(seed=0), Path(temporary))
        sending.window(plan.warmup_s + _LEAD_S)
        rounds: list[dict[str, Any]] = []
        for number in range(max(plan.rounds, _ROUNDS_MIN)):
            sides = _SIDES if number % 2 == 0 else _SIDES[::-1]
            rounds.append({side: sending.side(side, _LONGER * plan.duration_s + _LEAD_S) for side in sides})
            say(_line(number + 1, rounds[-1]))
    return {"connections": _CONNECTIONS, "rate": _RATE, "rounds": rounds, "ratio": ratio(rounds)}


class _Sending:
    """Sends windows to one server."""

    def __init__(self, server: Server, payments: traffic.Payments, folder: Path) -> None:
        self._server = server
        self._sender = steady.SteadySender(server, payments, scratch=folder, rate=_RATE, lead_s=_LEAD_S)

    def side(self, side: str, duration_s: float) -> dict[str, Any]:
        """Send for one window, beside slow connections or without."""
        if side == "without":
            return self.window(duration_s)
        with slow.holding(self._server.port, self._server.path, _CONNECTIONS) as holder:
            seen = self.window(duration_s)
            return {**seen, **asdict(holder.end())}

    def window(self, duration_s: float) -> dict[str, Any]:
        """Send for one window; return latencies, what went wrong, and what the edge used."""
        self._sender.prepare(concurrency=steady.CONNECTIONS, duration_s=duration_s)
        groups = {"edge": self._server.processes["edge"]}
        before = processes.sample(groups)
        reading = self._sender.send(concurrency=steady.CONNECTIONS, duration_s=duration_s)
        used_s = processes.spent_s(before, processes.sample(groups))["edge"]
        return {
            "p50_ms": reading.p50_ms,
            "p99_ms": reading.p99_ms,
            "max_ms": reading.max_ms,
            "late_p99_ms": self._sender.paces[-1].late_p99_ms,
            "complaints": reading.complaints(),
            "edge_cores": used_s / duration_s,
        }


def ratio(rounds: list[dict[str, Any]]) -> float:
    """Return the median p99 beside slow connections, in parts of that without."""
    without, beside = (statistics.median(float(one[side]["p99_ms"]) for one in rounds) for side in _SIDES)
    return beside / without


def _line(number: int, one: dict[str, Any]) -> str:
    without, beside = (one[side]["p99_ms"] for side in _SIDES)
    return f"  round {number}  p99 without {without:.1f} ms, beside {beside:.1f} ms, ratio {beside / without:.2f}"


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold the medians of the rounds against each other, and see that the slow connections were there."""
    beside = [one["beside"] for one in figures["rounds"]]
    wrong = sum(len(one[side]["complaints"]) for one in figures["rounds"] for side in _SIDES)
    name = f"p99 beside {figures['connections']:,} slow connections / p99 without"
    held = min(one["open_min"] for one in beside)
    return [
        Gate(name=name, value=figures["ratio"], limit=_RATIO_MAX, unit="", at_most=True),
        Gate(name="complaints beside slow connections", value=wrong, limit=0, unit="", at_most=True),
        Gate(name="fewest slow connections open", value=held, limit=_OPEN_MIN, unit="", at_most=False),
    ]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out a row per round and side."""
    title = f"{TITLE}: {figures['connections']:,}, each a byte a second, beside {figures['rate']:g} webhooks/s"
    caption = f"median p99 beside / without: {figures['ratio']:.2f}; from when a request was meant to leave"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for heading in ("round", "slow", "p50 ms", "p99 ms", "max ms", "left late, p99 ms", "edge, cores", "reopened"):
        table.add_column(heading, justify="right")
    for number, one in enumerate(figures["rounds"], start=1):
        for side in _SIDES:
            seen = one[side]
            table.add_row(
                str(number),
                side,
                *(f"{seen[name]:.1f}" for name in ("p50_ms", "p99_ms", "max_ms", "late_p99_ms")),
                f"{seen['edge_cores']:.2f}",
                str(seen.get("reopened", "–")),
            )
    said = (complaint for one in figures["rounds"] for side in _SIDES for complaint in one[side]["complaints"])
    return [table, *said]


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare the p99 of both sides."""
    return {
        f"{side}: p99": Sample(
            values=tuple(one[side]["p99_ms"] for one in figures["rounds"]), unit="ms", more_is_better=False
        )
        for side in _SIDES
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
