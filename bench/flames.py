"""Sampled stacks as a flame graph (one SVG without a script) and as a table of functions."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

Stacks = Sequence[tuple[tuple[str, ...], int]]

_WIDTH: Final = 1_200
_ROW: Final = 17
_TEXT_WIDTH: Final = 6.6
# Narrower than this is nothing to see, and makes the file large.
_WIDTH_MIN: Final = 0.6
_FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>[^()]*?)(?::(?P<line>\d+))?\)")
_COLOURS: Final = {"ours": "#e4632e", "packages": "#e8a33d", "runtime": "#9aa5b1"}
_PACKAGES: Final = ("site-packages", "dist-packages")
_OURS: Final = ("mesh/", "providers/", "edge/", "services/", "protos/gen/")


def read(raw: str) -> Stacks:
    """Read lines of `frame;frame;… samples`, the outermost first; lines of frames in one function become one."""
    merged: Counter[tuple[str, ...]] = Counter()
    for line in raw.splitlines():
        frames, _, samples = line.rpartition(" ")
        if frames and samples.isdecimal():
            merged[tuple(named(frame) for frame in frames.split(";"))] += int(samples)
    return sorted(merged.items())


def named(frame: str) -> str:
    """Return a frame as `function (file)`, without the line and with two folders at most."""
    match = _FRAME.fullmatch(frame)
    if match is None:
        return frame
    path = PurePath(match["file"])
    parts = path.parts
    kept = "/".join(parts[-3:]) if not any(name in parts for name in _PACKAGES) else _in_package(parts)
    return f"{match['function']} ({kept})"


def _in_package(parts: tuple[str, ...]) -> str:
    start = max(parts.index(name) for name in _PACKAGES if name in parts)
    return "/".join(("…", *parts[start + 1 :]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A function's part of all samples: on top of the stack, and anywhere in it."""

    function: str
    own: float
    inclusive: float


def shares(stacks: Stacks) -> list[Share]:
    """Return every function, the one with the largest own part first."""
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for frames, samples in stacks:
        own[frames[-1]] += samples
        for frame in set(frames):
            inclusive[frame] += samples
    total = max(1, own.total())
    found = (Share(function=name, own=own[name] / total, inclusive=inclusive[name] / total) for name in inclusive)
    return sorted(found, key=lambda share: (-share.own, -share.inclusive, share.function))


@dataclass(slots=True)
class _Node:
    samples: int = 0
    children: dict[str, _Node] = field(default_factory=dict)


def svg(stacks: Stacks, title: str) -> str:
    """Draw the flame graph: as wide as its share, callees above callers; names in full are tooltips."""
    root = _Node()
    for frames, samples in stacks:
        node = root
        node.samples += samples
        for frame in frames:
            node = node.children.setdefault(frame, _Node())
            node.samples += samples
    depth = max((len(frames) for frames, _ in stacks), default=0)
    height = (depth + 2) * _ROW
    boxes: list[str] = []
    _draw(root, boxes, left=0.0, level=1, height=height, total=max(1, root.samples))
    legend = f"{title}: {root.samples:,} samples; orange ours, yellow packages, grey runtime"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        ' font-family="monospace" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fff"/><text x="4" y="{height - 5}">{html.escape(legend)}</text>\n'
        + "\n".join(boxes)
        + "\n</svg>\n"
    )


def _draw(node: _Node, boxes: list[str], *, left: float, level: int, height: int, total: int) -> None:
    for name, child in sorted(node.children.items()):
        width = child.samples / total * _WIDTH
        if width >= _WIDTH_MIN:
            boxes.append(_box(name, child.samples / total, left=left, width=width, top=height - (level + 1) * _ROW))
            _draw(child, boxes, left=left, level=level + 1, height=height, total=total)
        left += width


def _box(name: str, share: float, *, left: float, width: float, top: int) -> str:
    shown = name[: int((width - 4) / _TEXT_WIDTH)] if width > 3 * _TEXT_WIDTH else ""
    return (
        f"<g><title>{html.escape(name)} {share:.1%}</title>"
        f'<rect x="{left:.1f}" y="{top}" width="{width - 0.4:.1f}" height="{_ROW - 1}" fill="{_COLOURS[_kind(name)]}"/>'
        f'<text x="{left + 2:.1f}" y="{top + 12}">{html.escape(shown)}</text></g>'
    )


def _kind(name: str) -> str:
    if "(…/" in name:
        return "packages"
    return "ours" if any(folder in name for folder in _OURS) else "runtime"
