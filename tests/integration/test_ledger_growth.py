"""What a read costs as the ledger grows: the benchmark's own section, held to its gates."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from bench.plan import Plan
from bench.sections import ledger
from tests.servers import why_no_mongod

# Writes are compared with MongoDB's own by `make bench` and at night, on a machine that does nothing else meanwhile.
_OF_A_QUIET_MACHINE = "Record / insert_many"
_MILLION = 1_000_000


@pytest.mark.parametrize(
    "payments",
    [
        pytest.param(50_000, marks=[pytest.mark.timed, pytest.mark.slow, pytest.mark.timeout(400)]),
        pytest.param(_MILLION, marks=[pytest.mark.nightly, pytest.mark.timeout(7_200)]),
    ],
)
def test_reads_cost_the_same_in_a_large_ledger(
    payments: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One payment, the first page of every list and page 1,000 keep their times; the figures are printed."""
    if reason := why_no_mongod():
        pytest.skip(reason)
    plan = Plan(duration_s=1, warmup_s=1, concurrencies=(), rounds=1, servers=(), scratch=tmp_path, payments=payments)
    figures = ledger.measure(plan, say=lambda _: None)
    gates = ledger.gates(figures)
    with capsys.disabled():
        console = Console(highlight=False)
        console.print()
        for table in ledger.tables(figures):
            console.print(table)
        for gate in gates:
            console.print(str(gate), markup=False)
    held = [gate for gate in gates if payments == _MILLION or not gate.name.startswith(_OF_A_QUIET_MACHINE)]
    assert len(held) >= 3
    assert [str(gate) for gate in held if not gate.passed] == []
