"""What went wrong lately: counts by reason over three windows, and the latest incidents, in bounded memory.

An incident holds what we wrote ourselves, a reason, a source's name, ids; nothing that a sender sent.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from edge.representations import ErrorWindow, Incident

RECENT_MAX: Final = 50
_REASONS_MAX: Final = 32
_OTHER: Final = "OTHER"
_MINUTE_S: Final = 60
_QUARTER_S: Final = 900
# How long counts by the minute are kept, and those by the quarter of an hour.
_MINUTES_S: Final = 3_600
_QUARTERS_S: Final = 86_400
# Name → (its length in seconds, what its counts are kept by). The count of now has begun and is among them.
WINDOWS: Final[Mapping[str, tuple[int, str]]] = {
    "5m": (300, "minutes"),
    "1h": (_MINUTES_S, "minutes"),
    "24h": (_QUARTERS_S, "quarters"),
}

State = dict[str, Any]


class Incidents:
    """Counts incidents and keeps the latest."""

    def __init__(self, clock_s: Callable[[], float] = time.time) -> None:
        """Begin with none."""
        self._clock_s = clock_s
        self._reasons: set[str] = set()
        self._minutes: dict[int, Counter[str]] = {}
        self._quarters: dict[int, Counter[str]] = {}
        self._recent: deque[tuple[float, str, int, str, str, str]] = deque(maxlen=RECENT_MAX)

    def note(self, reason: str, *, status: int, where: str, request_id: str, trace_id: str) -> None:
        """Count one; `where` is the source or the route as it is configured."""
        now_s = self._clock_s()
        if reason not in self._reasons:
            reason = reason if len(self._reasons) < _REASONS_MAX else _OTHER
            self._reasons.add(reason)
        _count(self._minutes, int(now_s) // _MINUTE_S, reason, keep=_MINUTES_S // _MINUTE_S)
        _count(self._quarters, int(now_s) // _QUARTER_S, reason, keep=_QUARTERS_S // _QUARTER_S)
        self._recent.append((now_s, reason, status, where, request_id, trace_id))

    def state(self) -> State:
        """Return everything, ready for JSON."""
        return {
            "minutes": {str(minute): dict(counts) for minute, counts in self._minutes.items()},
            "quarters": {str(quarter): dict(counts) for quarter, counts in self._quarters.items()},
            "recent": [list(each) for each in self._recent],
        }


def _count(buckets: dict[int, Counter[str]], bucket: int, reason: str, *, keep: int) -> None:
    counts = buckets.get(bucket)
    if counts is None:
        counts = buckets[bucket] = Counter()
        for old in [each for each in buckets if each <= bucket - keep]:
            del buckets[old]
    counts[reason] += 1


def merged(states: Iterable[State]) -> State:
    """Return several states as one."""
    sums: dict[str, dict[str, Counter[str]]] = {"minutes": {}, "quarters": {}}
    recent: list[list[Any]] = []
    for state in states:
        for kind, buckets in sums.items():
            for bucket, counts in state.get(kind, {}).items():
                buckets.setdefault(bucket, Counter()).update(counts)
        recent += state.get("recent", [])
    recent.sort(key=lambda incident: incident[0])
    return {**sums, "recent": recent[-RECENT_MAX:]}


def windows(state: State, now_s: float) -> dict[str, ErrorWindow]:
    """Return the counts of each window that ends now."""
    found = {}
    for name, (length_s, kind) in WINDOWS.items():
        bucket_s = _MINUTE_S if kind == "minutes" else _QUARTER_S
        first = int(now_s) // bucket_s - length_s // bucket_s + 1
        counts: Counter[str] = Counter()
        for bucket, each in state[kind].items():
            if int(bucket) >= first:
                counts.update(each)
        found[name] = ErrorWindow(total=counts.total(), by_reason=dict(counts.most_common()))
    return found


def latest(state: State) -> list[Incident]:
    """Return the latest incidents, the newest first."""
    return [
        Incident(
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s)),
            reason=reason,
            status=status,
            where=where,
            request_id=request_id,
            trace_id=trace_id,
        )
        for at_s, reason, status, where, request_id, trace_id in reversed(state["recent"])
    ]
