"""When to try again: full jitter, inside one deadline for all attempts of a call."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from autopay_client.errors import LedgerError

_PAUSE_S_FIRST: Final = 0.05
_PAUSE_S_MAX: Final = 1.0
# A frozen replica must leave time for another one, and the last attempt must be worth its while.
_ATTEMPT_SHARE: Final = 0.6
_ATTEMPT_S_MIN: Final = 1.0

Clock = Callable[[], float]
Draw = Callable[[float, float], float]


class Attempts:
    """The attempts of one call."""

    def __init__(
        self,
        timeout_s: float,
        *,
        clock: Clock = time.monotonic,
        draw: Draw = random.uniform,
    ) -> None:
        """Begin now; all attempts and the pauses between them end within `timeout_s`."""
        self._clock = clock
        self._backoff = Backoff(draw)
        self._ends_at = clock() + timeout_s

    def attempt_s(self) -> float:
        """Return the deadline of the next attempt, seconds from now."""
        left_s = max(0.0, self._ends_at - self._clock())
        return max(left_s * _ATTEMPT_SHARE, min(left_s, _ATTEMPT_S_MIN))

    def pause_s(self, error: LedgerError) -> float:
        """Return how long to wait before the next attempt.

        Raises:
            LedgerError: the given one, where another attempt would be of no use or too late.
        """
        if not error.retryable:
            raise error
        pause_s = self.pause_if_any_s(error.retry_after_s or 0.0)
        if pause_s is None:
            raise error
        return pause_s

    def pause_if_any_s(self, at_least_s: float = 0.0) -> float | None:
        """Return how long to wait before the next attempt, None where it would come too late."""
        pause_s = at_least_s + self._backoff.draw_s()
        return pause_s if self._clock() + pause_s < self._ends_at else None


class Backoff:
    """Pauses that grow: each drawn between nothing and a limit that doubles, so that clients don't march in step."""

    def __init__(self, draw: Draw = random.uniform) -> None:
        """Draw by `draw(low, high)`."""
        self._draw = draw
        self._limit_s = _PAUSE_S_FIRST

    def draw_s(self) -> float:
        """Return the next pause."""
        limit_s, self._limit_s = self._limit_s, min(self._limit_s * 2, _PAUSE_S_MAX)
        return self._draw(0.0, limit_s)

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._limit_s = _PAUSE_S_FIRST
