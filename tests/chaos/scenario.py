"""A scenario: one fault, what it needs, what it promises; and the registry that each file of faults fills."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tests.chaos.world import Rig, World

Inject = Callable[[World], Awaitable[None]]

PROCESS_RECOVERY_S_MAX: Final = 5.0
PRIMARY_RECOVERY_S_MAX: Final = 6.0
# A whole mesh is four processes that start, and load what they need, at once.
WHOLE_RECOVERY_S_MAX: Final = 15.0
WHOLE_MESH: Final = Rig()


def nothing_missing() -> str:
    """Return that nothing is missing."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One fault under steady traffic.

    Attributes:
        name: how `--only` calls it.
        promise: what is injected and what has to hold beyond what always has to, in a sentence.
        inject: does it; says when recovery begins to count, and ends with everything mended.
        rig: what it needs.
        recovery_s_max: seconds within which the first 2xx comes to what is sent after that.
        also_answered: what a delivery with a right signature may be answered, too.
        unnoticed: whether nobody may be answered anything else than without the fault.
        short: whether `make test` runs it.
        why_not: why it can't be run here, "" where it can.
    """

    name: str
    promise: str
    inject: Inject
    rig: Rig = WHOLE_MESH
    recovery_s_max: float = PROCESS_RECOVERY_S_MAX
    also_answered: frozenset[int] = frozenset()
    unnoticed: bool = False
    short: bool = False
    why_not: Callable[[], str] = nothing_missing
