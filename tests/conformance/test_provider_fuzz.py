"""Thousands of deliveries of every provider, most of them signed: nothing but an answer, and each one soon."""

from __future__ import annotations

import importlib.util
import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.provider_fuzzing import Run, run

SEED: Final = int(os.environ.get("AUTOPAY_FUZZ_SEED", "3"))
CASES: Final = 5_000
CASES_NIGHTLY: Final = 100_000
SHARE_MIN: Final = 0.3
SLOWEST_S_MAX: Final = 1.0
_INPUTS: Final = 64
_INPUT_BYTES: Final = 512
_ROOT: Final = Path(__file__).parents[2]
_log = logging.getLogger(__name__)

Property = Callable[[str, object], None]
needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this platform"
)


def check(result: Run, cases: int, record_property: Property) -> None:
    """Hold a run against its limits, and report it."""
    _log.info("%s", result.report())
    record_property("provider_fuzz", result.report())
    record_property("provider_fuzz_verified_share", round(result.share, 3))
    assert not result.wrong, "\n".join([*result.wrong, result.report()])
    assert sum(outcomes.total() for outcomes in result.outcomes.values()) == cases
    assert result.share >= SHARE_MIN, result.report()
    assert result.slowest_s < SLOWEST_S_MAX, result.report()
    for outcomes in result.outcomes.values():
        assert outcomes["refused"], result.report()
        assert outcomes["mapped"], result.report()
        assert outcomes["unprocessable"], result.report()


def test_whatever_comes_is_answered(record_property: Property) -> None:
    """Of every provider's deliveries three in ten verify at least, and none is met by a bug or a long wait."""
    check(run(CASES, seed=SEED), CASES, record_property)


@pytest.mark.nightly
@pytest.mark.timeout(1_200)
def test_whatever_comes_by_night_is_answered(record_property: Property) -> None:
    """The same, of many more."""
    check(run(CASES_NIGHTLY, seed=SEED + 1), CASES_NIGHTLY, record_property)


@needs_atheris
@pytest.mark.slow
def test_a_fuzzer_that_learns_finds_nothing(tmp_path: Path) -> None:
    """Led by what code is reached, a short search finds no exception either."""
    search(2_000, tmp_path)


@needs_atheris
@pytest.mark.nightly
@pytest.mark.timeout(1_800)
def test_a_fuzzer_that_learns_finds_nothing_by_night(tmp_path: Path) -> None:
    """The same, for long."""
    search(CASES_NIGHTLY, tmp_path)


def search(runs: int, directory: Path) -> None:
    """Let atheris search from some random inputs; what it finds it writes into the directory."""
    chance, corpus = random.Random(SEED), directory / "corpus"
    corpus.mkdir()
    for number in range(_INPUTS):
        (corpus / str(number)).write_bytes(chance.randbytes(_INPUT_BYTES))
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz_providers", f"-runs={runs}", "-len_control=0"]
    command += [f"-seed={SEED}", "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={directory}/", str(corpus)]
    found = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=1_700, check=False)
    # The exception is told on one, how far the search came on the other.
    assert found.returncode == 0, found.stdout[-4_000:] + found.stderr[-1_000:]
    assert f"Done {runs}" in found.stderr, found.stderr[-1_000:]
