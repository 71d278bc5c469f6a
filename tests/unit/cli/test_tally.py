"""A run of the mock sender is summed up by scenario, and one wrong answer shows."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from autopay_cli.scenarios import PROCESSED, Delivery, Scenario
from autopay_cli.sending import Outcome
from autopay_cli.tally import Tally, percentiles


def outcome(got: str, took_ms: float = 1.0) -> Outcome:
    """The outcome of a valid delivery."""
    delivery = Delivery(body=b"{}", expected=PROCESSED)
    return Outcome(scenario=Scenario.VALID, delivery=delivery, got=got, request_id="r-1", took_ms=took_ms)


def test_all_as_expected() -> None:
    """Right answers are counted and nothing is pointed at."""
    tally = Tally()
    for _ in range(3):
        tally.add(outcome(PROCESSED))
    report = tally.report(url="http://edge", duration_s=1.5)
    assert tally.as_expected
    assert report["sent"] == 3
    assert report["rate_per_s"] == 2.0
    assert report["unexpected"] == []
    assert report["scenarios"]["valid"]["outcomes"] == {PROCESSED: 3}


def test_one_wrong_answer_is_named() -> None:
    """What came instead of what, and the request to look for in the log."""
    tally = Tally()
    tally.add(outcome(PROCESSED))
    tally.add(outcome("503 OVERLOADED"))
    report = tally.report(url="http://edge", duration_s=1)
    assert not tally.as_expected
    assert report["unexpected"] == [
        {"scenario": "valid", "expected": PROCESSED, "got": "503 OVERLOADED", "request_id": "r-1"}
    ]
    console = Console(width=120)
    with console.capture() as shown:
        console.print(tally.table())
    assert "503 OVERLOADED instead of 200 processed: 1" in shown.get()


def test_a_report_is_json() -> None:
    """Scripts read it, an empty one too."""
    assert json.loads(json.dumps(Tally().report(url="http://edge", duration_s=0)))["sent"] == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (0, 0, 0, 0)),
        ([5], (5, 5, 5, 5)),
        (list(range(1, 101)), (50, 90, 99, 100)),
        ([3, 1, 2], (2, 3, 3, 3)),
    ],
)
def test_percentiles_are_values_that_occurred(values: list[float], expected: tuple[float, ...]) -> None:
    """Nearest rank: no value is made up between two."""
    assert tuple(percentiles(values).values()) == expected
