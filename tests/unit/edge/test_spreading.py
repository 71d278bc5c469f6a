"""Deadlines of what came together end apart."""

from __future__ import annotations

from edge.spreading import Spread


def test_times_are_never_shorter_and_lie_evenly_in_a_quarter_more() -> None:
    """Of a thousand times of 10 s none is over 12.5 s, and no tenth of a second has more than its share."""
    spread = Spread()
    times = [spread.of(10.0) for _ in range(1_000)]
    assert times[0] == 10.0
    assert 10.0 <= min(times) <= max(times) < 12.5
    for step in range(25):
        begins = 10.0 + step / 10
        assert 36 <= sum(begins <= time < begins + 0.1 for time in times) <= 44
