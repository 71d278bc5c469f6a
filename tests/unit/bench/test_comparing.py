"""Two runs compared: what lies within the noise is no difference."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from bench import comparing
from bench.comparing import SAME, Sample


def sample(*values: float, more_is_better: bool = True) -> Sample:
    """Return a figure with these rounds."""
    return Sample(values=values, unit="/s", more_is_better=more_is_better)


def run(rate: Sample, **changes: Any) -> dict[str, Any]:
    """Return a run with one figure."""
    machine = {"processor": "P", "cores": 2, "python": "3.11", "commit": "abc", "measured_at": "then"}
    return {
        "machine": {**machine, **changes},
        "plan": {"rounds": len(rate.values)},
        "samples": {"throughput": {"rate": asdict(rate)}},
    }


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (sample(90, 100, 110), sample(108, 120, 130), SAME),
        (sample(90, 100, 110), sample(111, 120, 130), "better"),
        (sample(90, 100, 110), sample(70, 80, 89), "worse"),
        (sample(99.9, 100, 100.1), sample(102, 102.1, 102.2), SAME),
        (sample(9, 10, 11, more_is_better=False), sample(12, 13, 14, more_is_better=False), "worse"),
        (sample(100), sample(112), SAME),
        (sample(100), sample(120), "better"),
        (sample(0.0), sample(0.0), SAME),
    ],
)
def test_a_difference_is_one_beyond_the_noise(before: Sample, after: Sample, verdict: str) -> None:
    """Rounds that overlap, less than 3 %, or less than 15 % where a run has one value, are no difference."""
    assert comparing.difference("rate", before, after).verdict == verdict


def test_what_else_was_different_is_said() -> None:
    """Another interpreter or plan is a caution beside the figures."""
    compared = comparing.compare(run(sample(100), python="3.12"), run(sample(50, 51)))
    assert compared["cautions"] == ["another Python", "windows or rounds of another length or number"]
    assert [one["verdict"] for one in compared["differences"]] == ["worse"]
    assert comparing.table(compared).row_count == 1


def test_a_figure_that_is_new_is_not_compared() -> None:
    """Only what both runs measured is in the comparison."""
    earlier = run(sample(100))
    earlier["samples"] = {"throughput": {}}
    assert comparing.compare(earlier, run(sample(100)))["differences"] == []
