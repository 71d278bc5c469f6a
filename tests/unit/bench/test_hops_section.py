"""The section that measures what a batch costs whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.plan import Plan
from bench.sections import hops


def test_a_call_and_an_insert_are_measured_on_both_sides(tmp_path: Path) -> None:
    """Real calls and real inserts, each side by itself, and their sum as a batch makes them: over open streams."""
    plan = Plan(
        duration_s=1, warmup_s=1, rounds=1, concurrencies=(), servers=(), scratch=tmp_path.resolve(), payments=1_000
    )
    said: list[str] = []
    figures = hops.measure(plan, said.append)
    sides = [us for (us,) in figures["taken_us"].values()]
    assert len(said) == len(sides) == 6
    assert all(0 < us < 20_000 for us in sides)
    assert figures["batch_us"] == pytest.approx(3 * (sides[0] + sides[1]) + 2 * (sides[2] + sides[3]))
    assert set(hops.samples(figures)) == set(figures["taken_us"])
    assert len(hops.tables(figures)) == 1
