"""How the suite itself is run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.__main__ import worse

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}


@pytest.mark.parametrize(
    ("codes", "whole"),
    [([0, 0], 0), ([0, 5], 0), ([5, 0], 0), ([1, 0], 1), ([0, 1], 1), ([5, 1], 1), ([3, 1], 3), ([5, 5], 5)],
)
def test_a_half_without_tests_is_no_failure(codes: Sequence[int], whole: int) -> None:
    """Either half may have nothing to do with what was asked for; a failure of either is the whole's."""
    assert worse(codes) == whole


def test_what_is_nightly_runs_by_night() -> None:
    """Each file with a test that is left out by day is below a path that some job of the night names."""
    commands = " ".join(entry["run"] for entry in nights())
    named = [ROOT / path for path in re.findall(r"tests/[\w/.]+", commands)]
    marked = [path for path in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.nightly" in path.read_text()]
    assert len(marked) > 2
    assert [path for path in marked if not any(path.is_relative_to(each) for each in named)] == [Path(__file__)]
    assert all(path.exists() for path in named)
    assert "make chaos" in commands


def test_every_job_has_an_end() -> None:
    """No job may run for the six hours that it would get."""
    for name, workflow in WORKFLOWS.items():
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"], name
    assert {entry["minutes"] <= 150 for entry in nights()} == {True}


def nights() -> list[dict[str, Any]]:
    """The jobs of the night."""
    entries: list[dict[str, Any]] = WORKFLOWS["nightly"]["jobs"]["night"]["strategy"]["matrix"]["include"]
    return entries
