"""Charts as SVG inside a page: with a title and a description, readable on a narrow screen, in both schemes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from services.insight.report_model import Slot

_WIDTH: Final = 360
_HEIGHT: Final = 194
_LEFT: Final = 44
_TOP: Final = 12
_BOTTOM: Final = 38
_ROW: Final = 30
_LABELS_MAX: Final = 5


def column_chart(slots: Sequence[Slot], *, name: str, title: str) -> str:
    """Return columns over time; `name` makes the ids of its title and description unlike those of other charts."""
    top = _nice(max((slot.count for slot in slots), default=0))
    plot_height = _HEIGHT - _TOP - _BOTTOM
    step = (_WIDTH - _LEFT - 6) / max(len(slots), 1)
    body = []
    for tick in range(5):
        value = top * tick / 4
        y = _TOP + plot_height * (1 - tick / 4)
        body.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 6}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d4d4d8"/>')
        body.append(_text(_LEFT - 6, y + 3, _short(value), anchor="end"))
    for place, slot in enumerate(slots):
        height = plot_height * slot.count / top if top else 0
        x, y = _LEFT + place * step, _TOP + plot_height - height
        body.append(
            f'<rect class="bar" x="{x + step * 0.1:.2f}" y="{y:.2f}" width="{step * 0.8:.2f}" height="{height:.2f}" '
            f'fill="#1d4ed8"><title>{escape(slot.start)}: {slot.count:,}</title></rect>'
        )
    every = max(1, -(-len(slots) // _LABELS_MAX))
    for place in range(0, len(slots), every):
        start = slots[place].start
        label = start[-5:]
        body.append(_text(_LEFT + (place + 0.5) * step, _HEIGHT - 17, label, anchor="middle"))
        if " " in start and (place == 0 or start[:10] != slots[place - every].start[:10]):
            body.append(_text(_LEFT + (place + 0.5) * step, _HEIGHT - 4, start[5:10], anchor="middle"))
    busiest = max(slots, key=lambda slot: slot.count, default=Slot(start="", count=0))
    total = sum(slot.count for slot in slots)
    description = f"{total:,} in {len(slots)} steps; the most, {busiest.count:,}, from {busiest.start} UTC."
    return _svg(name, title, description, "".join(body), height=_HEIGHT)


def bar_chart(rows: Sequence[tuple[str, int]], *, name: str, title: str) -> str:
    """Return a horizontal bar per row, its label above it and its value beside it."""
    most = max((value for _, value in rows), default=0)
    body = []
    for place, (label, value) in enumerate(rows):
        y = place * _ROW
        width = (_WIDTH - 80) * value / most if most else 0
        body.append(_text(2, y + 12, label, anchor="start"))
        body.append(f'<rect class="bar" x="2" y="{y + 16}" width="{width:.2f}" height="9" fill="#1d4ed8"/>')
        body.append(_text(width + 8, y + 25, f"{value:,}", anchor="start"))
    description = "; ".join(f"{label} {value:,}" for label, value in rows) or "Nothing."
    return _svg(name, title, description, "".join(body), height=max(len(rows), 1) * _ROW)


def _svg(name: str, title: str, description: str, body: str, *, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" font-family="system-ui, sans-serif">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>{body}</svg>'
    )


def _text(x: float, y: float, text: str, *, anchor: str) -> str:
    return (
        f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="#3f3f46">'
        f"{escape(text)}</text>"
    )


def _nice(most: int) -> int:
    """Return the end of the axis: the least of 4, 8, 20, 40, 80 and so on that holds `most`."""
    scale = 1
    while True:
        for step in (4, 8, 20):
            if most <= step * scale:
                return step * scale
        scale *= 10


def _short(value: float) -> str:
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
