"""Draws the figures as PNG files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from bench.medians import Cell


def throughput(cells: Sequence[Cell], file: Path) -> Path:
    """Draw the rate of every cell, and below it the CPU of one webhook by process."""
    figure = Figure(figsize=(9, 1.6 + 0.7 * len(cells)), layout="constrained")
    rates, costs = figure.subplots(2, 1, sharex=False)
    labels = [f"{cell.server}, c={cell.concurrency}" for cell in cells]
    _rates(rates, cells, labels)
    _costs(costs, cells, labels)
    figure.savefig(file, dpi=120)
    return file


def _rates(axes: Axes, cells: Sequence[Cell], labels: Sequence[str]) -> None:
    medians = [cell.requests_per_s for cell in cells]
    spread = [
        [cell.requests_per_s - cell.requests_per_s_range[0] for cell in cells],
        [cell.requests_per_s_range[1] - cell.requests_per_s for cell in cells],
    ]
    bars = axes.barh(labels, medians, xerr=spread, color="#4477aa", ecolor="#222222", capsize=3)
    axes.bar_label(bars, labels=[f"{rate:,.0f}" for rate in medians], padding=6)
    axes.set_xscale("log")
    axes.set_xlabel("webhooks a second (median, log scale; whiskers: slowest and fastest round)")
    axes.invert_yaxis()
    axes.margins(x=0.15)


def _costs(axes: Axes, cells: Sequence[Cell], labels: Sequence[str]) -> None:
    names = sorted({name for cell in cells for name in cell.cpu_us})
    colours = mpl.color_sequences["tab10"]
    left = [0.0] * len(cells)
    for name, colour in zip(names, colours * 2, strict=False):
        used = [cell.cpu_us.get(name, 0.0) for cell in cells]
        axes.barh(labels, used, left=left, label=name, color=colour)
        left = [start + width for start, width in zip(left, used, strict=True)]
    axes.set_xlabel("CPU µs per webhook, by process")
    axes.invert_yaxis()
    axes.legend(ncols=4, fontsize="small")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What a diagram's two axes say, and which are logarithmic."""

    across: str
    up: str
    log_across: bool = False
    log_up: bool = False


def curves(across: Sequence[float], lines: Mapping[str, Sequence[float]], axis: Axis, file: Path) -> Path:
    """Draw lines over one axis, each point marked."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for label, values in lines.items():
        axes.plot(across, values, marker="o", label=label)
    axes.set_xlabel(axis.across)
    axes.set_ylabel(axis.up)
    if axis.log_across:
        axes.set_xscale("log", base=2)
        axes.set_xticks(across, labels=[f"{value:g}" for value in across])
    if axis.log_up:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=120)
    return file
