"""Splits a process's CPU: its event loop from its other threads, its own work from the system's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

Cpu = dict[int, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """CPU µs per webhook; the other threads are gRPC's core and the database driver's."""

    loop_user_us: float
    loop_system_us: float
    others_user_us: float
    others_system_us: float


def cpu(pid: int) -> Cpu:
    """Return the CPU seconds, own and in the system, of each thread; the first has the process's id."""
    # Linux counts them in hundredths of a second, so look across seconds.
    return {thread.id: (thread.user_time, thread.system_time) for thread in psutil.Process(pid).threads()}


def split(before: Mapping[int, tuple[float, float]], after: Mapping[int, tuple[float, float]], *, per: int) -> Split:
    """Divide what each thread used by a number of webhooks; a thread that ended meanwhile is not counted."""
    main = min(after)
    spent = {
        thread: tuple(now - then for now, then in zip(times, before.get(thread, (0.0, 0.0)), strict=True))
        for thread, times in after.items()
    }
    scale = 1e6 / max(1, per)
    others = [times for thread, times in spent.items() if thread != main]
    return Split(
        loop_user_us=spent[main][0] * scale,
        loop_system_us=spent[main][1] * scale,
        others_user_us=sum(times[0] for times in others) * scale,
        others_system_us=sum(times[1] for times in others) * scale,
    )
