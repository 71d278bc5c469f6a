"""The short form of `make chaos`: a few faults of every kind in a real mesh, with the same code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import registry
from tests.chaos.running import Pace, results_of
from tests.servers import why_no_mongod

# `make chaos` holds recovery to its limits. What recovers here is a process that starts, which is CPU and nothing else:
# a ledger took 5.9 s for its 5 while ten other programs wanted two cores. That every 2xx is true has no such allowance.
PATIENCE = 2.0


@pytest.mark.slow
@pytest.mark.timed
@pytest.mark.timeout(300)
async def test_no_fault_loses_or_doubles_what_was_acknowledged(tmp_path: Path) -> None:
    """Worker, ledger and primary killed and a batch poisoned: every 2xx is true, no answer is strange, all recover."""
    if reason := why_no_mongod():
        pytest.skip(reason)
    pace = Pace(before_s=0.5, after_s=0.5, patience=PATIENCE)
    results = [each async for each in results_of(registry.SHORT, tmp_path / "run", pace=pace, say=lambda _: None)]
    assert [result.name for result in results] == [scenario.name for scenario in registry.SHORT]
    assert {result.name: result.complaints for result in results if not result.kept} == {}
    assert all(result.acknowledged > 20 for result in results)


def test_faults_are_named_once_and_chosen_by_name() -> None:
    """Each name is one scenario's; a wrong one is answered with those that there are."""
    names = [scenario.name for scenario in registry.SCENARIOS]
    assert len(set(names)) == len(names)
    assert [scenario.name for scenario in registry.chosen(["ledger-killed"])] == ["ledger-killed"]
    with pytest.raises(ValueError, match=r"no such fault: moon.*ledger-killed"):
        registry.chosen(["moon"])
