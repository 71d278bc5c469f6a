"""The section that measures each process's own code in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.plan import Plan
from bench.sections import stages


def test_every_stage_does_real_work_and_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One round over a small batch: a stage that would not answer as meant raises."""
    for name, small in (("_BATCH", 8), ("_ROUNDS", 1), ("_REPEATS", 1)):
        monkeypatch.setattr(stages, name, small)
    plan = Plan(
        duration_s=1, warmup_s=1, rounds=1, concurrencies=(), servers=(), scratch=tmp_path.resolve(), payments=1_000
    )
    said: list[str] = []
    figures = stages.measure(plan, said.append)
    found = figures["stages"]
    assert len(said) == len(found) == 7
    assert all(0 < us < 10_000 for us in found.values())
    assert set(stages.samples(figures)) == set(found)
    assert len(stages.tables(figures)) == 1
