"""Start-up: how long until the whole mesh, its mongod included, takes its first webhook."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench import mesh, processes, traffic, window
from bench.comparing import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.gates import Gate
    from bench.plan import Plan

TITLE = "Start-up"
BY_DEFAULT = True
_MIB: Final = 1 << 20


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Start the mesh as often as there are rounds, each time with an empty database."""
    starts: list[dict[str, Any]] = []
    for number in range(plan.rounds):
        with tempfile.TemporaryDirectory(dir=plan.scratch, prefix="startup-") as temporary:
            started_s = time.monotonic()
            with mesh.start(Path(temporary)) as server:
                ready_s = time.monotonic() - started_s
                usages = processes.sample(processes.members(server.processes))
                sender = window.Sender(server, traffic.Payments(number), scratch=Path(temporary), rate=1_000)
                sender.prepare(concurrency=1, duration_s=1)
                first = sender.send(concurrency=1, duration_s=1)
        starts.append(
            {
                "ready_s": ready_s,
                "accepted_first_s": first.accepted,
                "slowest_ms": first.max_ms,
                "cpu_s": {name: sum(usage.cpu_s.values()) for name, usage in usages.items()},
                "rss_mib": {name: usage.rss_bytes / _MIB for name, usage in usages.items()},
            }
        )
        say(f"  ready in {ready_s:.2f} s; {first.accepted} webhooks in the next, slowest {first.max_ms:.0f} ms")
    return {"starts": starts}


def gates(figures: dict[str, Any]) -> list[Gate]:  # noqa: ARG001 - no limit is promised
    """Hold nothing against a limit."""
    return []


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out a row per process."""
    starts = figures["starts"]
    ready_s = statistics.median(one["ready_s"] for one in starts)
    title = f"{TITLE}: ready after {ready_s:.2f} s (median of {len(starts)}), mongod and its election included"
    table = Table(title=title, title_justify="left")
    table.add_column("process")
    for heading in ("CPU s to start", "RSS MiB when ready"):
        table.add_column(heading, justify="right")
    for name in starts[0]["cpu_s"]:
        figures_of = (statistics.median(one[what][name] for one in starts) for what in ("cpu_s", "rss_mib"))
        cpu_s, rss_mib = figures_of
        table.add_row(name, f"{cpu_s:.2f}", f"{rss_mib:.0f}")
    return [table]


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare the time until ready."""
    ready = tuple(one["ready_s"] for one in figures["starts"])
    return {"ready": Sample(values=ready, unit="s", more_is_better=False)}


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
