"""Decides when the model may be called at all: circuit, requested pauses, tokens, the day's money."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

from services.insight.circuit import Circuit, CircuitState
from services.insight.ports import Clock, StoreDown
from services.insight.spending import DayBudget, TokenBudget

# How long to sleep before looking again, at most: a circuit may close, the day may end.
_LOOK_S: Final = 1.0
_DAY_LOOK_S: Final = 15.0
_PAUSE_S_MAX: Final = 600.0


class Passage(Enum):
    """What somebody who came through the gate may do."""

    CALLS = "calls"
    ONE_PROBE = "one probe"


class Gate:
    """Waited at before work is leased, so that what can't be done now isn't begun."""

    def __init__(self, *, circuit: Circuit, tokens: TokenBudget, day: DayBudget, clock: Clock) -> None:
        """Open while all of these are."""
        self.circuit = circuit
        self.tokens = tokens
        self.day = day
        self._clock = clock
        self._not_before_s = 0.0

    def pause(self, wait_s: float) -> None:
        """Stay shut for so long, as the model asks."""
        self._not_before_s = max(self._not_before_s, self._clock() + min(wait_s, _PAUSE_S_MAX))

    async def wait(self) -> None:
        """Wait until it is open."""
        while True:
            if wait_s := self._shut_s():
                await asyncio.sleep(min(wait_s, _LOOK_S))
            elif wait_s := await self._day_shut_s():
                await asyncio.sleep(wait_s)
            else:
                return

    @contextmanager
    def entered(self) -> Iterator[Passage | None]:
        """Come through without waiting; None where it has shut since, or another one is the probe."""
        if self._shut_s():
            yield None
            return
        probe = self.circuit.enter()
        try:
            yield Passage.ONE_PROBE if probe else Passage.CALLS
        finally:
            self.circuit.leave(probe=probe)

    async def is_open(self) -> bool:
        """Return whether calls may be made at once; a half-open circuit is the worker's to probe."""
        closed = self.circuit.state is CircuitState.CLOSED
        return closed and not self._shut_s() and not await self._day_shut_s()

    def _shut_s(self) -> float:
        return max(self.circuit.wait_s(), self._not_before_s - self._clock(), self.tokens.wait_s(), 0.0)

    async def _day_shut_s(self) -> float:
        try:
            return 0.0 if await self.day.is_open() else _DAY_LOOK_S
        except StoreDown:
            # Fail closed: what was spent isn't known.
            return _LOOK_S
