"""What Kubernetes reserves for a replica, computed from what the benchmark measured and written into the manifests."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BASE: Final = Path(__file__).resolve().parents[1] / "deploy/k8s/base"
PROCESSES: Final = ("edge", "ingest", "ledger", "insight")
# What a replica is reserved for, and the room above what it measured: a core that is used to the full has none for a
# burst, and a replica that ends needs some in the others.
RATE: Final = 1_000
BUSY: Final = 0.6
_MEMORY_ROOM: Final = 1.25
# What fills in days, which no benchmark runs for: INSIGHT_PROFILES_MAX profiles of up to 1 KiB.
_FILLS_MIB: Final = {"insight": 200}
# Where the autoscaler adds one, as components/autoscaling has it.
SCALES_AT: Final = 0.7
_CPU_STEP_M, _MEMORY_STEP_MIB = 25, 32
_LINE: Final = re.compile(r"requests: \{cpu: (\d+)m, memory: (\d+)Mi\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """One replica's requests: thousandths of a core, and MiB."""

    cpu_m: int
    memory_mib: int


def needed(cell: Mapping[str, Any], process: str) -> Reserved:
    """Return what a replica should be reserved by a measured cell, in round figures."""
    cpu_m = cell["cpu_us"][process] * RATE / 1_000 / BUSY
    memory_mib = cell["rss_mib"][process] * _MEMORY_ROOM + _FILLS_MIB.get(process, 0)
    return Reserved(
        cpu_m=math.ceil(cpu_m / _CPU_STEP_M) * _CPU_STEP_M,
        memory_mib=math.ceil(memory_mib / _MEMORY_STEP_MIB) * _MEMORY_STEP_MIB,
    )


def written(process: str) -> Reserved:
    """Return what the manifest of a process says."""
    [(cpu_m, memory_mib)] = _LINE.findall((BASE / f"{process}.yaml").read_text(encoding="utf-8"))
    return Reserved(cpu_m=int(cpu_m), memory_mib=int(memory_mib))


def write(process: str, reserved: Reserved) -> None:
    """Put it into the manifest of a process."""
    path = BASE / f"{process}.yaml"
    line = f"requests: {{cpu: {reserved.cpu_m}m, memory: {reserved.memory_mib}Mi}}"
    path.write_text(_LINE.sub(line, path.read_text(encoding="utf-8")), encoding="utf-8")


def table(cell: Mapping[str, Any]) -> str:
    """Return the table of it, with the rate at which the autoscaler adds a replica."""
    head = (
        f"Reserved in [deploy/k8s/base](../deploy/k8s/base): the CPU of {RATE:,} webhooks/s per replica at {BUSY:.0%}, "
        f"and the memory measured with {_MEMORY_ROOM - 1:.0%} more and, for insight, its profiles. "
        f"The autoscaler adds a replica at {SCALES_AT:.0%}:"
    )
    rows = []
    for process in PROCESSES:
        reserved = needed(cell, process)
        scales_at = reserved.cpu_m * 1_000 * SCALES_AT / cell["cpu_us"][process]
        rows.append(f"| {process} | {reserved.cpu_m}m | {reserved.memory_mib} MiB | {scales_at:,.0f} |")
    title = "| process | CPU | memory | webhooks/s per replica beyond which there is one more |"
    return "\n".join((head, "", title, "|---|---|---|---|", *rows))
