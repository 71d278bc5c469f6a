"""Judges what a long run held: memory may grow by little once it is warm, open files and tasks not at all."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from autopay_cli import mongod_tuning
from bench.gates import Gate
from bench.medians import MONGOD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.watching import Moment

_WARM_S: Final = 300.0
_RSS_GROWTH_MAX: Final = 3.0
# Idle tasks are what a process always runs. Files may be a few more: five minutes after its start mongod makes its
# collection of sessions, which is three, and it opens a journal before it closes the one before. What leaks once in a
# hundred thousand webhooks is more in half an hour.
_TASKS_GROWTH_MAX: Final = 0
_FILES_GROWTH_MAX: Final = 4
# mongod fills the cache it was given, so its memory has a bound and not a growth: the cache and a GiB for what is not
# cache (connections, cursors, the allocator's).
_MONGOD_RSS_MIB_MAX: Final = (mongod_tuning.cache_gib() + 1) * 1_024
_SAMPLES_MIN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What one process held: memory in the first and last fifth once warm, files and tasks idle before and after."""

    process: str
    rss_mib: tuple[float, float]
    files: tuple[int, int]
    tasks: tuple[int, int]


def settled_after_s(duration_s: float) -> float:
    """Return when growth starts to count: after five minutes, in a short run after a third of it."""
    return min(_WARM_S, duration_s / 3)


def growths(moments: Sequence[Moment], idle: Sequence[Moment], *, after_s: float) -> list[Growth]:
    """Compare the ends of what was seen from `after_s` on.

    Raises:
        ValueError: There are too few samples to say anything.
    """
    warm = [one for one in moments if one.at_s >= after_s]
    if len(warm) < _SAMPLES_MIN:
        message = f"{len(warm)} samples after {after_s:g} s are too few to see growth"
        raise ValueError(message)
    fifth = len(warm) // 5
    first, last = warm[:fifth], warm[-fifth:]

    before, after = idle
    return [
        Growth(
            process=name,
            rss_mib=(_middle(first, name), _middle(last, name)),
            files=(before.files[name], after.files[name]),
            tasks=(before.tasks.get(name, 0), after.tasks.get(name, 0)),
        )
        for name in warm[0].rss_mib
    ]


def _middle(moments: Sequence[Moment], name: str) -> float:
    return statistics.median(one.rss_mib[name] for one in moments)


def gates(grown: Sequence[Mapping[str, Any]], complaints: int) -> list[Gate]:
    """Hold every process against its limits: files and tasks, and memory by growth, mongod's by its size."""
    found = [Gate(name="complaints while sending", value=complaints, limit=0, unit="", at_most=True)]
    for one in grown:
        name = one["process"]
        for what, limit in (("files", _FILES_GROWTH_MAX), ("tasks", _TASKS_GROWTH_MAX)):
            before, after = one[what]
            text = f"{name}: {what} more"
            found.append(Gate(name=text, value=after - before, limit=limit, unit="", at_most=True))
        before, after = one["rss_mib"]
        if name == MONGOD:
            found.append(Gate(name=f"{name}: RSS", value=after, limit=_MONGOD_RSS_MIB_MAX, unit="MiB", at_most=True))
        else:
            percent = (after / before - 1) * 100
            found.append(Gate(name=f"{name}: RSS growth", value=percent, limit=_RSS_GROWTH_MAX, unit="%", at_most=True))
    return found
