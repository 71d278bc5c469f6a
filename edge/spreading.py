"""Deadlines that began together and don't end together: a thousand of them at once would hold up everybody else."""

from __future__ import annotations

from typing import Final

# Its multiples fall evenly between whole numbers, however many there are.
_GOLDEN: Final = 0.6180339887498949
_LONGER_MAX: Final = 0.25


class Spread:
    """Makes times a little longer, each by another part, by a quarter at most."""

    def __init__(self) -> None:
        """Begin with the time itself."""
        self._count = 0

    def of(self, time_s: float) -> float:
        """Return the time, or up to a quarter more."""
        part = (self._count * _GOLDEN) % 1.0
        self._count += 1
        return time_s * (1 + _LONGER_MAX * part)
