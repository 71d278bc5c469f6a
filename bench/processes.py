"""Accounts CPU time and memory to named groups of processes."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_QUIET_CORES = 0.08
_POLL_S = 0.5


class ProcessLostError(RuntimeError):
    """A measured process ended during the measurement, and took its CPU time with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one group has used: CPU seconds per process id since its start, and resident memory now."""

    cpu_s: Mapping[int, float]
    rss_bytes: int


def members(groups: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Add to each group the descendants of its processes, unless another group names them."""
    named = {pid for pids in groups.values() for pid in pids}
    return {
        name: tuple(dict.fromkeys(pid for root in pids for pid in (root, *_unnamed_descendants(root, named))))
        for name, pids in groups.items()
    }


def _unnamed_descendants(root: int, named: set[int]) -> Iterator[int]:
    for child in psutil.Process(root).children():
        if child.pid not in named:
            yield child.pid
            yield from _unnamed_descendants(child.pid, named)


def sample(groups: Mapping[str, tuple[int, ...]]) -> dict[str, Usage]:
    """Read every group once.

    Raises:
        ProcessLostError: A process of a group is gone.
    """
    try:
        return {name: _sample(pids) for name, pids in groups.items()}
    except psutil.NoSuchProcess as gone:
        message = f"process {gone.pid} ended while it was measured"
        raise ProcessLostError(message) from gone


def _sample(pids: tuple[int, ...]) -> Usage:
    cpu_s: dict[int, float] = {}
    rss_bytes = 0
    for pid in pids:
        process = psutil.Process(pid)
        times = process.cpu_times()
        cpu_s[pid] = times.user + times.system
        rss_bytes += process.memory_info().rss
    return Usage(cpu_s=cpu_s, rss_bytes=rss_bytes)


def spent_s(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """Return the CPU seconds each group used between two samples.

    Raises:
        ProcessLostError: A process of the first sample is missing from the second.
    """
    spent: dict[str, float] = {}
    for name, start in before.items():
        end = after[name]
        lost = start.cpu_s.keys() - end.cpu_s.keys()
        if lost:
            message = f"{name}: processes {sorted(lost)} ended while they were measured"
            raise ProcessLostError(message)
        spent[name] = sum(end.cpu_s[pid] - start.cpu_s[pid] for pid in start.cpu_s)
    return spent


def waited_s(groups: Mapping[str, tuple[int, ...]]) -> float:
    """Return the seconds that all threads of the groups have been ready to run without a core, since they began.

    The second figure of Linux's `schedstat`; 0 where there is none. A thread that ends takes its seconds with it.
    """
    tasks = [task for pids in groups.values() for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    waited_ns = 0
    for task in tasks:
        with contextlib.suppress(OSError):
            waited_ns += int(task.read_text().split()[1])
    return waited_ns / 1e9


def busy_s() -> float:
    """Return the CPU seconds this machine has spent on anything since it booted."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def settle(groups: Mapping[str, tuple[int, ...]], *, limit_s: float) -> bool:
    """Wait until the groups are idle, so that work they put off is counted; False if they never are."""
    deadline = time.monotonic() + limit_s
    before = sample(groups)
    while time.monotonic() < deadline:
        time.sleep(_POLL_S)
        after = sample(groups)
        if sum(spent_s(before, after).values()) < _QUIET_CORES * _POLL_S:
            return True
        before = after
    return False
