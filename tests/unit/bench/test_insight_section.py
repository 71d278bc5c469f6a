"""The benchmark's section on insight holds figures against its own promises."""

from __future__ import annotations

import pytest

from bench.sections import insight

KEPT = {"rate": 3_000, "call_items": 10, "calls": 5, "p50_ms": 1.0, "p99_ms": 4.9, "replay_per_s": 50_001.0}


@pytest.mark.parametrize(
    ("changed", "passed"),
    [({}, [True, True]), ({"p99_ms": 5.1}, [False, True]), ({"replay_per_s": 9.0}, [True, False])],
)
def test_a_promise_not_kept_fails_its_gate(changed: dict[str, float], passed: list[bool]) -> None:
    """Five milliseconds at the 99th percentile and fifty thousand payments a second are the limits."""
    assert [gate.passed for gate in insight.gates({**KEPT, **changed})] == passed


def test_the_table_shows_what_was_measured() -> None:
    """There is a row for each figure."""
    (table,) = insight.tables(KEPT)
    assert table.row_count == 3  # type: ignore[union-attr] # a Table, as the section says
