"""A circuit breaker: after failures in a row nothing is tried for a while, then one probe decides."""

from __future__ import annotations

from enum import Enum
from typing import Final

from services.insight.ports import Clock

_OPEN_S_MAX: Final = 600.0


class CircuitState(Enum):
    """Whether calls pass."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Circuit:
    """Counts consecutive failures. Not for several threads."""

    def __init__(self, *, failures_max: int, open_s: float, clock: Clock) -> None:
        """Open after `failures_max` failures in a row for `open_s`, twice as long after each failed probe."""
        self._failures_max = failures_max
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._opened = 0
        self._until: float | None = None
        self._probing = False

    @property
    def state(self) -> CircuitState:
        """Where it stands now."""
        if self._until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._clock() < self._until else CircuitState.HALF_OPEN

    def wait_s(self) -> float:
        """Return how long nothing passes, 0 where something does."""
        if self._until is None:
            return 0.0
        left_s = self._until - self._clock()
        if left_s > 0:
            return left_s
        return 1.0 if self._probing else 0.0

    def enter(self) -> bool:
        """Begin to use it, once `wait_s` is 0; return whether this is the one probe."""
        self._probing = self.state is CircuitState.HALF_OPEN
        return self._probing

    def leave(self, *, probe: bool) -> None:
        """End what `enter` began, whatever came of it."""
        if probe:
            self._probing = False

    def succeeded(self) -> None:
        """A call was answered."""
        self._failures = self._opened = 0
        self._until = None

    def failed(self, *, at_once: bool = False) -> None:
        """A call was not answered; `at_once` opens without counting, for what time alone won't mend."""
        self._failures += 1
        if self._until is not None or at_once or self._failures >= self._failures_max:
            open_s = min(self._open_s * 2**self._opened, _OPEN_S_MAX)
            if self.state is not CircuitState.OPEN:
                self._opened += 1
                self._until = self._clock() + open_s
