"""The command: it answers in one line and exits 2 when it can't measure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "nonsense"], "no such section: nonsense"),
        (["--server", "nonsense"], "no such server: nonsense"),
        ([], "apt-get install wrk"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    """An unknown name, or a missing driver, is one line and exit code 2."""
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bench", "--out", str(tmp_path / "out"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.strip().count("\n") == 0


def test_an_earlier_run_that_is_not_there_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    """Nobody waits ten minutes to hear that the file to compare with was misspelt."""
    command = [sys.executable, "-m", "bench", "--out", str(tmp_path), "--against", str(tmp_path / "none.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert result.returncode == 2
    assert f"no earlier run in {tmp_path}" in result.stderr
