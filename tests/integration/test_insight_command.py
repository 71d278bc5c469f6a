"""`autopay insight explain` and `export` on a whole mesh without a key."""

from __future__ import annotations

import json
import math
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import RunningUp, bare_environment


def autopay(up: RunningUp, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "autopay_cli", *words, "--data-dir", str(up.data)],
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def payment(up: RunningUp) -> str:
    """The id of a payment that the mesh has recorded."""
    listed = autopay(up, "tx", "list", "--json", "--limit", "1")
    tx_id: str = json.loads(listed.stdout.splitlines()[0])["tx_id"]
    return tx_id


def test_a_score_is_explained_line_by_line(up: RunningUp, payment: str) -> None:
    """Base and terms add up to the points, those to the score, and the terms are the features."""
    answer = autopay(up, "insight", "explain", payment, "--json")
    assert answer.returncode == 0, answer.stderr
    body = json.loads(answer.stdout)
    arithmetic = body["arithmetic"]
    terms = arithmetic.get("terms", [])
    assert arithmetic["base"] + sum(term.get("points", 0.0) for term in terms) == pytest.approx(arithmetic["points"])
    assert arithmetic["score"] == pytest.approx(1 / (1 + math.exp(-arithmetic["points"])))
    assert {term["feature"]: term["value"] for term in terms} == body["features"]
    assert body["explanation"]["source"] == "rules"


def test_people_read_a_table(up: RunningUp, payment: str) -> None:
    """The recorded score, the explanation, each term, and the formula."""
    shown = autopay(up, "insight", "explain", payment).stdout
    for words in ("recorded score", "by model 2.0", "told by", "rules", "base", "-4.500", "1 / (1 + exp("):
        assert words in shown


def test_the_model_is_exported(up: RunningUp, tmp_path: Path) -> None:
    """As a table, as JSON, and into a file that only its owner reads, with the accounts only where asked for."""
    assert "model 2.0" in autopay(up, "insight", "export").stdout
    assert json.loads(autopay(up, "insight", "export", "--json").stdout)["format"] == "model/1"
    file = tmp_path / "model.jsonl"
    answer = autopay(up, "insight", "export", "--profiles", "--out", str(file))
    assert answer.stdout.startswith(f"{file}: "), answer.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    model, *profiles = [json.loads(line) for line in file.read_text().splitlines()]
    assert model["format"] == "model/1"
    assert all(profile["key"][:2] in {"a:", "p:"} for profile in profiles)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("explain", "no-such"), "autopay:"),
        (("export", "--profiles"), "name a file with --out"),
        (("export", "--out", "/nowhere/at/all"), "can't write /nowhere/at/all"),
        (("export", "--insight", "127.0.0.1:1"), "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_is_one_line(up: RunningUp, words: tuple[str, ...], sentence: str) -> None:
    """It says what is wrong, and the exit code is 1."""
    answer = autopay(up, "insight", *words)
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert sentence in answer.stderr
