"""Importing rows: order, failures, and where a stopped run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from autopay.ledger.v1 import ledger_pb2

from autopay_cli.checkpoint import Keeper
from autopay_cli.failure import Failure
from autopay_cli.importing import Importing, Tally
from autopay_cli.row_reading import Line

CREATED = ledger_pb2.OUTCOME_CREATED


class Ledger:
    """Records what it is given, in batches, and stops answering behind some item."""

    def __init__(self, *, stops_after: int = 1_000_000, batch: int = 3) -> None:
        self.tx_ids: list[str] = []
        self.outcomes: dict[str, ledger_pb2.EventOutcome] = {}
        self.errors: dict[str, str] = {}
        self._stops_after = stops_after
        self._batch = batch

    async def record(self, items: Iterable[ledger_pb2.RecordItem]) -> AsyncIterator[ledger_pb2.RecordResult]:
        """Read ahead by a batch, then answer it, as the client does."""
        waiting: list[ledger_pb2.RecordItem] = []
        for item in items:
            waiting.append(item)
            if len(waiting) == self._batch:
                for each in waiting:
                    yield self._result(each)
                waiting = []
        for each in waiting:
            yield self._result(each)

    def _result(self, item: ledger_pb2.RecordItem) -> ledger_pb2.RecordResult:
        if len(self.tx_ids) == self._stops_after:
            raise Failure("the ledger is away.")
        tx_id = item.events[0].event.tx_id
        self.tx_ids.append(tx_id)
        if tx_id in self.errors:
            return ledger_pb2.RecordResult(error=ledger_pb2.RecordError(message=self.errors[tx_id]))
        outcome = self.outcomes.get(tx_id, ledger_pb2.EventOutcome(tx_id=tx_id, outcome=CREATED))
        return ledger_pb2.RecordResult(events=[outcome])


def line(number: int, wrong: str = "") -> Line:
    """A line with a payment of its own."""
    return Line(number=number, row={"tx_id": f"T-{number}", "kind": "failed"}, wrong=wrong)


async def imported(ledger: Ledger, lines: Iterable[Line], *, after: int = 0) -> tuple[Tally, list[int]]:
    """Import lines, and return the tally and the line after which each report came."""
    importing = Importing(lines, source="orders", after=after, failing=lambda _line, _said: None)
    reports = [tally.line async for tally in importing.into(ledger.record)]
    return importing.tally, reports


async def test_each_failure_has_its_line() -> None:
    """Wrong rows, refused ones and contradictions stand beside each other in the order of the file."""
    ledger = Ledger()
    ledger.errors["T-4"] = "amount: is wrong"
    conflict = ledger_pb2.OUTCOME_CONFLICT
    ledger.outcomes["T-6"] = ledger_pb2.EventOutcome(tx_id="T-6", outcome=conflict, conflict_field="amount")
    ledger.outcomes["T-7"] = ledger_pb2.EventOutcome(tx_id="T-7", outcome=conflict, conflict_field="event_id")
    ledger.outcomes["T-8"] = ledger_pb2.EventOutcome(tx_id="T-8", outcome=ledger_pb2.OUTCOME_DUPLICATE)
    lines = [line(1, "is no JSON"), line(2), line(3, "is no JSON"), *map(line, range(4, 9)), line(9, "is no JSON")]
    tally, reports = await imported(ledger, lines)
    assert tally.errors == [
        (1, "is no JSON"),
        (3, "is no JSON"),
        (4, "amount: is wrong"),
        (6, "contradicts what is recorded of T-6: amount differs"),
        (7, "contradicts what is recorded of T-7: its event id is known with other facts"),
        (9, "is no JSON"),
    ]
    assert tally.outcomes == {"created": 2, "duplicate": 1}
    assert (tally.rows, tally.failed, tally.line) == (9, 6, 9)
    assert reports == [2, 4, 5, 6, 7, 8]


async def test_a_stopped_run_goes_on_behind_the_last_row_that_is_done_with(tmp_path: Path) -> None:
    """No row is left out and none before the checkpoint is sent again; what had failed is remembered."""
    file = tmp_path / "p.jsonl"
    file.write_text("rows")
    lines = [line(number, "is no JSON" if number == 2 else "") for number in range(1, 13)]
    first = Ledger(stops_after=5)
    keeper = Keeper.of(file, "ledger:1")
    importing = Importing(lines, source="orders", after=keeper.line, failing=lambda _line, _said: None)

    async def run() -> None:
        with keeper.keeping(importing.tally):
            async for tally in importing.into(first.record):
                keeper.note(tally)

    with pytest.raises(Failure, match="Stopped after line 6; the same command goes on there"):
        await run()
    again = Keeper.of(file, "ledger:1")
    assert (again.line, again.failed) == (6, 1)
    second = Ledger()
    with again.keeping(Tally()):
        tally, _ = await imported(second, lines, after=again.line)
    assert first.tx_ids + second.tx_ids == [f"T-{number}" for number in range(1, 13) if number != 2]
    assert (tally.rows, tally.line) == (6, 12)
    assert os.listdir(tmp_path) == [file.name]  # noqa: PTH208 - pathlib's would be refused in a coroutine


def test_a_checkpoint_counts_only_for_the_same_file_and_ledger(tmp_path: Path) -> None:
    """Another ledger, a changed file or --restart begins at the first line."""
    file = tmp_path / "p.jsonl"
    file.write_text("rows")
    with pytest.raises(KeyError), Keeper.of(file, "ledger:1").keeping(Tally(line=9, failed=2)):
        raise KeyError
    assert Keeper.of(file, "ledger:1").line == 9
    assert Keeper.of(file, "ledger:2").line == 0
    assert Keeper.of(file, "ledger:1", restart=True).line == 0
    os.utime(file, ns=(1, 1))
    assert Keeper.of(file, "ledger:1").line == 0


def test_a_place_that_can_not_be_kept_is_said(tmp_path: Path) -> None:
    """The file may lie where nothing can be written."""
    file = tmp_path / "p.jsonl"
    file.write_text("rows")
    keeper = Keeper.of(file, "ledger:1", path=tmp_path / "absent" / "place")
    with pytest.raises(Failure, match="name another place with --checkpoint"), keeper.keeping(Tally()):
        raise KeyError


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"file": 1}', json.dumps({"file": [1, 2], "what": 3})])
def test_a_file_that_is_no_checkpoint_is_left_alone(tmp_path: Path, content: str) -> None:
    """The sentence says what to do."""
    file = tmp_path / "p.jsonl"
    file.write_text("rows")
    (tmp_path / "p.jsonl.checkpoint").write_text(content)
    with pytest.raises(Failure, match="is no checkpoint of an import: delete it, or add --restart"):
        Keeper.of(file, "ledger:1")
    Keeper.of(file, "ledger:1", restart=True)


def test_standard_input_keeps_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be read twice has none; a dry run neither."""
    monkeypatch.chdir(tmp_path)
    for keeper in (Keeper.of(Path("-"), "ledger:1"), Keeper.of(Path("absent"), "")):
        with pytest.raises(KeyError), keeper.keeping(Tally(line=9)):
            raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_reads_every_row_and_sends_none() -> None:
    """Its tally is the file's."""
    heard: list[tuple[int, str]] = []
    importing = Importing(
        [line(1), line(2, "is no JSON"), line(3)],
        source="orders",
        after=0,
        failing=lambda number, said: heard.append((number, said)),
    )
    tally = importing.check()
    assert (tally.outcomes["valid"], tally.failed, tally.line) == (2, 1, 3)
    assert heard == [(2, "is no JSON")]
