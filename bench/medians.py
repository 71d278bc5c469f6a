"""Boils the rounds down: one cell per server and concurrency, every figure its median."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.window import Window

MONGOD = "mongod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One server at one concurrency; CPU includes what was put off until after the window."""

    server: str
    concurrency: int
    rounds: int
    requests_per_s: float
    requests_per_s_range: tuple[float, float]
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_us: Mapping[str, float]
    late_cpu_us: float
    rss_mib: Mapping[str, float]
    others_cores: float

    @property
    def python_cpu_us(self) -> float:
        """CPU per webhook of everything but mongod."""
        return sum(used for name, used in self.cpu_us.items() if name != MONGOD)


def summarize(windows: Sequence[Window]) -> list[Cell]:
    """Return a cell for each server and concurrency, in the order they were first measured."""
    keys = dict.fromkeys((window.server, window.concurrency) for window in windows)
    return [_cell([window for window in windows if (window.server, window.concurrency) == key]) for key in keys]


def _cell(windows: Sequence[Window]) -> Cell:
    def middle(figure: Callable[[Window], float]) -> float:
        return statistics.median(figure(window) for window in windows)

    rates = [window.requests_per_s for window in windows]
    names = tuple(windows[0].cpu_us)
    return Cell(
        server=windows[0].server,
        concurrency=windows[0].concurrency,
        rounds=len(windows),
        requests_per_s=statistics.median(rates),
        requests_per_s_range=(min(rates), max(rates)),
        p50_ms=middle(lambda window: window.p50_ms),
        p99_ms=middle(lambda window: window.p99_ms),
        p999_ms=middle(lambda window: window.p999_ms),
        cpu_us={
            name: statistics.median(window.cpu_us[name] + window.late_cpu_us[name] for window in windows)
            for name in names
        },
        late_cpu_us=middle(lambda window: sum(window.late_cpu_us.values())),
        rss_mib={name: max(window.rss_mib[name] for window in windows) for name in names},
        others_cores=middle(lambda window: window.others_cores),
    )


def best(cells: Sequence[Cell], prefix: str) -> Cell | None:
    """Return the fastest cell of the servers whose names start so."""
    return max(
        (cell for cell in cells if cell.server.startswith(prefix)),
        key=lambda cell: cell.requests_per_s,
        default=None,
    )
