"""What one worker knows, and what all workers of the process group know together."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
import structlog
from prometheus_client import CollectorRegistry

from edge import incidents, merging
from edge.board import Board
from edge.incidents import Incidents, State
from edge.merging import Families

_PUBLISH_S: Final = 1.0


class WorkerGroup:
    """Publishes this worker's metrics and incidents to the others, and merges theirs with its own."""

    def __init__(
        self,
        board: Board | None,
        *,
        registry: CollectorRegistry,
        incidents: Incidents,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """Share over `board`, nothing where it is None: then this worker is all there is."""
        self._board = board
        self._registry = registry
        self._incidents = incidents
        self._log = log
        self._complained = False
        before = _read(board.own()) if board is not None else {}
        # A restart in this place must not look like a counter that went back.
        self._families_before: Families = merging.counted(before.get("families", []))
        self._incidents_before: State = before.get("incidents", {})

    def families(self) -> Families:
        """Return the metrics of all workers."""
        if self._board is None:
            return merging.families_of(self._registry)
        self.publish()
        return merging.merged(each["families"] for each in self._all() if "families" in each)

    def incidents(self) -> State:
        """Return the incidents of all workers."""
        if self._board is None:
            return incidents.merged([self._incidents.state()])
        self.publish()
        return incidents.merged(each["incidents"] for each in self._all() if "incidents" in each)

    def publish(self) -> None:
        """Tell the others what is known here."""
        if self._board is None:
            return
        content = {
            "families": merging.merged([self._families_before, merging.families_of(self._registry)]),
            "incidents": incidents.merged([self._incidents_before, self._incidents.state()]),
        }
        if not self._board.write(orjson.dumps(content)) and not self._complained:
            self._complained = True
            self._log.error("the metrics of this worker are too many for the others to see")

    async def run(self) -> None:
        """Publish every second, for as long as this is not cancelled: the next worker goes on from there."""
        while self._board is not None:
            self.publish()
            await asyncio.sleep(_PUBLISH_S)

    def _all(self) -> list[dict[str, Any]]:
        assert self._board is not None  # noqa: S101 - asked by those who have looked
        return [_read(content) for content in (self._board.own(), *self._board.others())]


def _read(content: bytes) -> dict[str, Any]:
    return dict(orjson.loads(content)) if content else {}
