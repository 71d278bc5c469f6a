"""From windows to promises: medians, ratios, audits and gates."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from bench import medians, sections
from bench.audit import Audit, problems
from bench.gates import Gate
from bench.sections import throughput
from bench.window import Window


def window(server: str, rate: float, *, concurrency: int = 64, **cpu_us: float) -> Window:
    """Return a window of one server."""
    return Window(
        server=server,
        concurrency=concurrency,
        requests_per_s=rate,
        p50_ms=1.0,
        p99_ms=2.0,
        p999_ms=3.0,
        accepted=100,
        issued=110,
        cpu_us=cpu_us,
        late_cpu_us=dict.fromkeys(cpu_us, 5.0),
        rss_mib=dict.fromkeys(cpu_us, 50.0),
        wrk_cpu_us=10.0,
        others_cores=0.0,
        settled=True,
        complaints=(),
    )


def audit(**changes: Any) -> Audit:
    """Return an audit with nothing wrong, but for the changes."""
    right: dict[str, Any] = {
        "server": "mesh",
        "accepted": 100,
        "issued": 110,
        "stored": 104,
        "mongod_options": {"replSet": "rs0"},
        "complaints": (),
    }
    return Audit(**{**right, **changes})


def test_a_cell_is_the_median_of_its_rounds_with_late_work_charged() -> None:
    """Rate and CPU are medians, and CPU includes what was put off until after the window."""
    rounds = [window("mesh", rate, edge=edge, mongod=70.0) for rate, edge in ((90, 300.0), (110, 100.0), (100, 200.0))]
    (cell,) = medians.summarize(rounds)
    assert cell.requests_per_s == 100.0
    assert cell.requests_per_s_range == (90.0, 110.0)
    assert cell.cpu_us == {"edge": 205.0, "mongod": 75.0}
    assert cell.python_cpu_us == 205.0


def test_the_mesh_is_compared_with_the_best_of_the_others() -> None:
    """The fastest concurrency and worker count of the conventional service is what counts."""
    cells = medians.summarize(
        [
            window("mesh", 3_000, edge=1.0),
            window("mesh", 4_000, concurrency=256, edge=1.0),
            window("conventional, 1 worker", 400, uvicorn=1.0),
            window("conventional, 4 workers", 500, uvicorn=1.0),
            window("bare aiohttp", 20_000, handler=1.0),
        ]
    )
    assert throughput.ratios(cells) == {"conventional": 8.0, "bare": 0.2}


def test_without_the_mesh_there_is_nothing_to_compare() -> None:
    """A run of the others only has no ratio, and no gate on one."""
    cells = medians.summarize([window("bare aiohttp", 20_000, handler=1.0)])
    assert throughput.ratios(cells) == {}
    figures = {"cells": [asdict(cell) for cell in cells], "problems": []}
    assert [gate.passed for gate in throughput.gates(figures)] == [True]


@pytest.mark.parametrize("stored", [99, 111])
def test_an_account_that_does_not_balance_is_a_problem(stored: int) -> None:
    """Fewer stored than accepted, or more stored than sent, is said."""
    assert audit(stored=stored).problems() == [f"mesh: accepted 100, stored {stored}, sent 110"]


def test_requests_cut_off_at_the_end_may_be_stored_or_not() -> None:
    """Between accepted and sent, every count is right."""
    assert problems([audit(stored=100), audit(stored=110), audit(stored=None)]) == []


def test_unequal_databases_and_missing_traces_are_problems() -> None:
    """Another mongod option, or a trace receiver that received nothing, spoils the run."""
    other = audit(server="conventional", mongod_options={"replSet": "rs0", "quiet": True})
    silent = audit(traces={"spans": 3, "traces": 0})
    assert len(problems([audit(), other, silent])) == 2


@pytest.mark.parametrize(
    ("value", "at_most", "passed"),
    [(420.0, True, True), (420.1, True, False), (5.0, False, True), (4.9, False, False), (float("nan"), True, False)],
)
def test_a_gate_holds_at_its_limit_and_not_beyond(value: float, at_most: bool, passed: bool) -> None:
    """A figure at the limit passes, one past it fails, and what is no number fails."""
    gate = Gate(name="figure", value=value, limit=420.0 if at_most else 5.0, unit="µs", at_most=at_most)
    assert gate.passed is passed
    assert str(gate).startswith("PASS" if passed else "FAIL")


def test_every_section_can_be_measured_shown_held_and_drawn() -> None:
    """Each module of the package has what the runner calls."""
    assert {"throughput", "unloaded"} <= set(sections.names())
    for name in sections.names():
        section = sections.find(name)
        assert section.TITLE
        assert all(callable(getattr(section, part)) for part in ("measure", "tables", "gates", "samples", "draw"))
    assert {"throughput", "latency"} <= set(sections.defaults())
