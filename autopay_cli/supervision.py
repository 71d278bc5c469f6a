"""Keeps children running: one that dies is started again, later each time it dies young."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Final

from autopay_cli.processes import Child

_POLL_S: Final = 0.1
_BACKOFF_S_MIN: Final = 0.2
_BACKOFF_S_MAX: Final = 10.0
# A child that ran this long is well again: its next death is a first one.
_WELL_S: Final = 20.0


class Supervisor:
    """Watches children and starts them again."""

    def __init__(self, children: Sequence[Child], *, say: Callable[[str], None], changed: Callable[[], None]) -> None:
        """Watch `children`; `say` one line for each death; call `changed` after each new start."""
        self._children = children
        self._say = say
        self._changed = changed

    async def watch(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(self._keep(child))

    async def _keep(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        pause_s, started_at = _BACKOFF_S_MIN, loop.time()
        while True:
            await asyncio.sleep(_POLL_S)
            if child.alive:
                continue
            if loop.time() - started_at > _WELL_S:
                pause_s = _BACKOFF_S_MIN
            self._say(
                f"{child.name} {how_it_ended(child.exit_code)}; starting it again in {pause_s:g} s; see {child.log}"
            )
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _BACKOFF_S_MAX)
            # What is left of it (workers of the edge) would hold its address.
            child.kill()
            child.start()
            started_at = loop.time()
            self._changed()


def how_it_ended(exit_code: int | None) -> str:
    """Return an exit code in words."""
    if exit_code is None:
        return "never ran"
    if exit_code >= 0:
        return f"ended with code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"
