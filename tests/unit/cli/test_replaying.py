"""`autopay insight`: histories read, invented, replayed and evaluated."""

from __future__ import annotations

import csv
import json
import struct
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autopay_cli import invented
from autopay_cli.__main__ import application
from autopay_cli.failure import Failure
from autopay_cli.history import read
from services.insight.detector import RULES, Scorecard
from services.insight.portable import model_line

# Thresholds were chosen on seeds 1 and 20261126; docs/detector.md says so.
SEED = 4_711


def run(*words: str) -> Result:
    """Run `autopay insight` with these words."""
    return CliRunner().invoke(application(), ["insight", *words])


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small invented history."""
    path = tmp_path_factory.mktemp("history") / "history.csv"
    invented.write(path, invented.invent(invented.Plan(seed=SEED, days=40, senders=300, attacks=12)))
    return path


@pytest.fixture(scope="module")
def short(history: Path) -> Path:
    """The first days of it."""
    path = history.with_name("short.csv")
    path.write_text("".join(history.read_text().splitlines(keepends=True)[:4_000]))
    return path


def npz(path: Path, **arrays: tuple[str, str, list[float]]) -> None:
    """Write arrays as numpy does: name=(descr, struct's code, values)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, (descr, code, values) in arrays.items():
            header = repr({"descr": descr, "fortran_order": False, "shape": (len(values),)}).encode() + b"\n"
            body = struct.pack(f"<{len(values)}{code}", *values)
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body)


def test_every_kind_of_fraud_is_caught(history: Path) -> None:
    """Nine in ten injected frauds of each kind stand above all but one in a hundred legitimate payments."""
    for words in (["--no-labels"], ["--labels"]):
        figures = json.loads(run("replay", str(history), "--known-days", "-1", "--json", *words).stdout)
        caught = figures["caught_at_1_percent"]
        assert {kind: share >= 0.9 for kind, share in caught.items() if "payments" not in kind} == dict.fromkeys(
            invented.KINDS, True
        )
        assert figures["auc_roc"] > 0.8


def test_a_score_per_row_in_the_file_s_order(history: Path, tmp_path: Path) -> None:
    """Whatever the order of the rows, each gets its own score: reversed, the file gives the reversed scores."""
    with history.open(newline="") as file:
        rows = list(csv.reader(file))[:2_000]
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    for path, body in ((one, rows[1:]), (other, rows[:0:-1])):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([rows[0], *body])
    scores = []
    for path in (one, other):
        out = path.with_suffix(".scores")
        # The ids that choose which payments teach are row numbers, so that only scores by the rules compare.
        assert run("replay", str(path), "--out", str(out), "--no-labels").exit_code == 0
        scores.append(out.read_text().split())
    assert scores[0][0] == scores[1][0] == "score"
    assert len(scores[0]) == len(rows)
    assert scores[0][1:] == scores[1][:0:-1]


def test_a_label_teaches_nothing_before_its_time(short: Path, tmp_path: Path) -> None:
    """With labels later than the history is long, the scores are those without labels."""
    outs = [tmp_path / name for name in ("late", "never")]
    assert run("replay", str(short), "--label-delay", "41d", "--out", str(outs[0])).exit_code == 0
    assert run("replay", str(short), "--no-labels", "--out", str(outs[1])).exit_code == 0
    assert outs[0].read_text() == outs[1].read_text()


def test_the_same_history_gets_the_same_scores(short: Path, tmp_path: Path) -> None:
    """Nothing of a replay is drawn by chance."""
    outs = [tmp_path / name for name in ("first", "second")]
    for out in outs:
        assert run("replay", str(short), "--out", str(out)).exit_code == 0
    assert outs[0].read_text() == outs[1].read_text()


def test_an_exported_model_is_replayed(short: Path, tmp_path: Path) -> None:
    """Its weights score, and stay as they are; the rules' own export gives the rules' scores."""
    heavier = Scorecard(weights=tuple(2.0 * weight for weight in RULES.weights), verdicts=9)
    outs = {}
    for name, card in (("rules", RULES), ("heavier", heavier)):
        model = tmp_path / f"{name}.jsonl"
        model.write_bytes(model_line(card, sequence=0) + b'{"key": "a:autopay:A"}\n')
        outs[name] = tmp_path / f"{name}.csv"
        assert run("replay", str(short), "--no-labels", "--model", str(model), "--out", str(outs[name])).exit_code == 0
    plain = tmp_path / "plain.csv"
    assert run("replay", str(short), "--no-labels", "--out", str(plain)).exit_code == 0
    assert outs["rules"].read_text() == plain.read_text() != outs["heavier"].read_text()
    with_labels = run("replay", str(short), "--model", str(tmp_path / "rules.jsonl"))
    assert "add --no-labels" in str(with_labels.exception)
    no_model = run("replay", str(short), "--no-labels", "--model", str(plain))
    assert "not a line of JSON" in str(no_model.exception)


def test_arrays_are_read_like_columns(tmp_path: Path) -> None:
    """The arrays t, cust, term, amt and fraud of an archive are a history; others can be named."""
    path = tmp_path / "h.npz"
    columns: dict[str, tuple[str, str, list[float]]] = {
        "t": ("<i4", "i", [100, 200]),
        "cust": ("<i2", "h", [7, 8]),
        "term": ("<i2", "h", [1, 1]),
        "amt": ("<f4", "f", [12.34, 0.5]),
        "fraud": ("|i1", "b", [0, 1]),
    }
    npz(path, **columns)
    found = read(path, {})
    assert list(found.at_ms) == [100_000, 200_000]
    assert (found.sender, found.receiver) == (["7", "8"], ["1", "1"])
    assert (list(found.minor_units), list(found.fraud)) == ([1_234, 50], [False, True])
    npz(path, **{**columns, "who": columns["term"]})
    assert read(path, {"sender": "who"}).sender == ["1", "1"]
    columns["t"] = ("|O", "i", [1, 2])
    npz(path, **columns)
    with pytest.raises(Failure, match="the array t is not one row of plain numbers"):
        read(path, {})


def test_columns_are_mapped_and_values_checked(tmp_path: Path) -> None:
    """Columns have the names one says, times may be dates, a label may be missing; a wrong value names its line."""
    path = tmp_path / "h.csv"
    path.write_text("when,sender,receiver,amount,label\n2026-01-01T00:00:00Z,A,B,12.345,1\n1767225601,A,B,3,\n")
    found = read(path, {"time": "when"})
    assert list(found.at_ms) == [1_767_225_600_000, 1_767_225_601_000]
    assert (list(found.minor_units), found.fraud) == ([1_234, 300], [True, None])
    path.write_text("time,sender,receiver,amount,label\n1,A,B,1,0\n1,A,B,much,0\n")
    with pytest.raises(Failure, match="line 3"):
        read(path, {})
    path.write_text("time,sender,amount,label\n")
    with pytest.raises(Failure, match="no column receiver"):
        read(path, {})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--label-delay", "soon"], "say 7d"),
        (["--column", "payer=x"], "say one of time"),
        (["--column", "time"], "say"),
    ],
)
def test_wrong_words_are_told(short: Path, words: list[str], sentence: str) -> None:
    """A delay or a column that can't be understood is one sentence."""
    result = run("replay", str(short), *words)
    assert isinstance(result.exception, Failure)
    assert sentence in str(result.exception)


def test_inventing_is_repeatable(tmp_path: Path) -> None:
    """The same seed gives the same file, another one another."""
    texts = []
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        out = tmp_path / name
        assert run("invent", "--out", str(out), "--seed", seed, "--days", "5", "--senders", "60").exit_code == 0
        texts.append(out.read_text())
    assert texts[0] == texts[1] != texts[2]
