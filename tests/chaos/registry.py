"""Every scenario, in the order in which they run: those that share a rig one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.chaos import network_faults, process_faults, storage_faults
from tests.chaos.scenario import Scenario

_ALL: Final = (*process_faults.SCENARIOS, *storage_faults.SCENARIOS, *network_faults.SCENARIOS)
_RIGS: Final = tuple(dict.fromkeys(scenario.rig for scenario in _ALL))
SCENARIOS: Final[Sequence[Scenario]] = sorted(_ALL, key=lambda scenario: _RIGS.index(scenario.rig))
SHORT: Final[Sequence[Scenario]] = [scenario for scenario in SCENARIOS if scenario.short]


def chosen(names: Sequence[str]) -> Sequence[Scenario]:
    """Return the scenarios of these names, all where there are none.

    Raises:
        ValueError: there is no such scenario.
    """
    known = [scenario.name for scenario in SCENARIOS]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no such fault: {', '.join(unknown)} (there are: {', '.join(known)})")
    return [scenario for scenario in SCENARIOS if not names or scenario.name in names]
