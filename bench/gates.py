"""Holds measured figures against what the project promises."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One promise: a figure that must be at most, or at least, a limit."""

    name: str
    value: float
    limit: float
    unit: str
    at_most: bool

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the promise; a figure that is not a number keeps none."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        """Say the promise, the figure and the verdict in a line."""
        verdict = "PASS" if self.passed else "FAIL"
        sign = "≤" if self.at_most else "≥"
        unit = f" {self.unit}" if self.unit else ""
        return f"{verdict}  {self.name}: {self.value:.3g}{unit} ({sign} {self.limit:g}{unit})"
