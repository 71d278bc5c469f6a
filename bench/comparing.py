"""Compares a run with an earlier one, and says "no difference" of what lies within the noise."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAME: Final = "no difference"
# Less than this is no difference even where all rounds of a run agree.
_FLOOR: Final = 0.03
# Where one run has a single value, its spread is unknown: this stands in for it.
_FLOOR_ONCE: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One figure with its value in every round."""

    values: tuple[float, ...]
    unit: str
    more_is_better: bool

    @property
    def median(self) -> float:
        """The figure itself."""
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A figure of two runs: their medians, what changed in parts of the first, and what that means."""

    name: str
    before: float
    after: float
    unit: str
    change: float
    verdict: str


def difference(name: str, before: Sample, after: Sample) -> Difference:
    """Judge one figure.

    A difference is one where the rounds of the two runs don't overlap and the medians are apart by more than the
    floor. With three rounds each, chance alone parts two equal runs in one of ten cases.
    """
    once = min(len(before.values), len(after.values)) == 1
    change = after.median / before.median - 1 if before.median else 0.0
    apart = max(before.values) < min(after.values) or max(after.values) < min(before.values)
    if not apart or abs(change) <= (_FLOOR_ONCE if once else _FLOOR):
        verdict = SAME
    else:
        verdict = "better" if (change > 0) == after.more_is_better else "worse"
    return Difference(
        name=name, before=before.median, after=after.median, unit=after.unit, change=change, verdict=verdict
    )


def compare(earlier: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Compare what both runs measured, and say what makes them hard to compare."""
    found = [
        difference(f"{section}: {name}", _sample(earlier["samples"][section][name]), _sample(told))
        for section, named in figures["samples"].items()
        for name, told in named.items()
        if name in earlier.get("samples", {}).get(section, {})
    ]
    return {
        "with": {name: earlier["machine"].get(name) for name in ("commit", "measured_at")},
        "cautions": cautions(earlier, figures),
        "differences": [asdict(one) for one in found],
    }


def _sample(told: Mapping[str, Any]) -> Sample:
    return Sample(values=tuple(told["values"]), unit=told["unit"], more_is_better=told["more_is_better"])


def cautions(earlier: Mapping[str, Any], figures: Mapping[str, Any]) -> list[str]:
    """Say what besides the code was different."""
    words = {"processor": "another processor", "cores": "another number of cores", "python": "another Python"}
    found = [text for name, text in words.items() if earlier["machine"].get(name) != figures["machine"].get(name)]
    if earlier["plan"] != figures["plan"]:
        found.append("windows or rounds of another length or number")
    return found


def table(comparison: Mapping[str, Any]) -> Table:
    """Lay the comparison out."""
    then = comparison["with"]
    title = f"Compared with commit {then['commit']}, {then['measured_at']}"
    caution = f"; beware: {', '.join(comparison['cautions'])}" if comparison["cautions"] else ""
    caption = f"a difference is one where the rounds don't overlap{caution}"
    laid = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    laid.add_column("figure")
    for heading in ("before", "after", "change", "verdict"):
        laid.add_column(heading, justify="right")
    for one in _by_verdict(comparison["differences"]):
        unit = one["unit"]
        laid.add_row(
            one["name"],
            f"{one['before']:,.4g} {unit}",
            f"{one['after']:,.4g} {unit}",
            f"{one['change']:+.1%}",
            one["verdict"],
        )
    return laid


def _by_verdict(differences: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(differences, key=lambda one: ("worse", "better", SAME).index(one["verdict"]))
