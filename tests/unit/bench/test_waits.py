"""Where a webhook's time goes, from the spans of its trace."""

from __future__ import annotations

import pytest

from bench import waits

MS = 1_000_000
# The way of one webhook, in ms from its beginning: what each process's span covers.
WAY = {
    "POST /webhooks/payments": (0, 100),
    "ingest": (10, 95),
    "insight.score": (12, 15),
    "ledger.record": (20, 80),
    "store": (22, 75),
}


def trace(name: str, *, at_ms: int = 0, without: str = "") -> list[tuple[str, str, int, int]]:
    """Return the spans of a trace that begins at a time."""
    return [
        (span, name, (at_ms + begin) * MS, (at_ms + end) * MS) for span, (begin, end) in WAY.items() if span != without
    ]


def test_the_parts_of_the_way_are_all_of_it() -> None:
    """Nothing between the request and its answer is left out, and nothing is counted twice."""
    found = waits.waits(trace("a"), [(0, MS)])
    assert [wait.mean_ms for wait in found] == [10, 2, 3, 5, 2, 53, 20, 5]
    assert sum(wait.mean_ms for wait in found) == 100


def test_only_what_began_in_a_window_counts() -> None:
    """Other rates are sent through the same mesh, before and after."""
    spans = [*trace("a", at_ms=0), *trace("b", at_ms=500), *trace("c", at_ms=900)]
    found = waits.waits(spans, [(400 * MS, 600 * MS), (800 * MS, 1_000 * MS)])
    assert {wait.count for wait in found} == {2}


@pytest.mark.parametrize("missing", WAY)
def test_a_trace_that_lacks_a_span_does_not_count(missing: str) -> None:
    """A score that came too late has no span before the ledger's; another trace still counts."""
    found = waits.waits([*trace("a", without=missing), *trace("b")], [(0, MS)])
    assert {wait.count for wait in found} == {1}


def test_where_nothing_was_sampled_there_is_nothing_to_say() -> None:
    """An empty table, not a division by zero."""
    assert waits.waits([], [(0, MS)]) == []
