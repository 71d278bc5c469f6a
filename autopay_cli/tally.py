"""Counts outcomes by scenario, with latency percentiles, as a table and as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from autopay_cli.sending import Outcome

if TYPE_CHECKING:
    from rich.table import Table

_EXAMPLES_MAX: Final = 10


class Tally:
    """What a run of the mock sender got."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Note one outcome."""
        self._outcomes.append(outcome)

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """Everything noted, in the order of the answers."""
        return self._outcomes

    @property
    def as_expected(self) -> bool:
        """Whether every outcome is the expected one."""
        return all(outcome.as_expected for outcome in self._outcomes)

    def table(self) -> Table:
        """Return the closing table."""
        from rich.table import Table

        table = Table(title="What the mesh answered", title_justify="left")
        for heading in ("scenario", "sent", "right", "outcomes", "p50 ms", "p99 ms"):
            table.add_column(heading, justify="left" if heading in {"scenario", "outcomes"} else "right")
        for scenario, outcomes in self._by_scenario().items():
            right = sum(outcome.as_expected for outcome in outcomes)
            latency = percentiles([outcome.took_ms for outcome in outcomes])
            table.add_row(
                scenario,
                str(len(outcomes)),
                str(right),
                "\n".join(_lines(outcomes)),
                f"{latency['p50']:.1f}",
                f"{latency['p99']:.1f}",
                style=None if right == len(outcomes) else "red",
            )
        return table

    def report(self, *, url: str, duration_s: float) -> Mapping[str, Any]:
        """Return the same as plain values, for scripts."""
        return {
            "url": url,
            "sent": len(self._outcomes),
            "duration_s": round(duration_s, 3),
            "rate_per_s": round(len(self._outcomes) / duration_s, 1) if duration_s else 0.0,
            "as_expected": self.as_expected,
            "scenarios": {
                scenario: {
                    "sent": len(outcomes),
                    "as_expected": sum(outcome.as_expected for outcome in outcomes),
                    "outcomes": Counter(outcome.got for outcome in outcomes),
                    "latency_ms": percentiles([outcome.took_ms for outcome in outcomes]),
                }
                for scenario, outcomes in self._by_scenario().items()
            },
            "latency_ms": percentiles([outcome.took_ms for outcome in self._outcomes]),
            "unexpected": [
                {
                    "scenario": outcome.scenario,
                    "expected": outcome.delivery.expected,
                    "got": outcome.got,
                    "request_id": outcome.request_id,
                }
                for outcome in self._outcomes
                if not outcome.as_expected
            ][:_EXAMPLES_MAX],
        }

    def _by_scenario(self) -> Mapping[str, Sequence[Outcome]]:
        found: dict[str, list[Outcome]] = {}
        for outcome in self._outcomes:
            found.setdefault(outcome.scenario.value, []).append(outcome)
        return dict(sorted(found.items()))


def percentiles(values: Sequence[float]) -> Mapping[str, float]:
    """Return p50, p90, p99 (nearest rank) and max, rounded to microseconds of milliseconds; zeros for no values."""
    ranked = sorted(values) or [0.0]
    found = {f"p{share}": ranked[max(math.ceil(len(ranked) * share / 100), 1) - 1] for share in (50, 90, 99)}
    return {name: round(value, 3) for name, value in {**found, "max": ranked[-1]}.items()}


def _lines(outcomes: Sequence[Outcome]) -> Sequence[str]:
    right = Counter(outcome.got for outcome in outcomes if outcome.as_expected)
    wrong = Counter((outcome.got, outcome.delivery.expected) for outcome in outcomes if not outcome.as_expected)
    return [
        *(f"{got}: {count}" for got, count in right.items()),
        *(f"{got} instead of {expected}: {count}" for (got, expected), count in wrong.items()),
    ]
