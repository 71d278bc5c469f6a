"""The monitoring pages: how everything is, and what went wrong lately."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from edge import incidents
from edge.api_keys import Reader
from edge.dependencies import Dependencies, moment
from edge.key_entries import Scope
from edge.ports import SharedIncidents
from edge.representations import Errors
from edge.surface import Surface, json_answer
from edge.worker_group import WorkerGroup


class NotShared:
    """No storage that replicas share. Fits `SharedIncidents`."""

    async def everywhere(self) -> None:
        """Know nothing."""


class Monitoring:
    """Answers those who look after the edge."""

    def __init__(
        self,
        dependencies: Dependencies,
        group: WorkerGroup,
        shared: SharedIncidents,
        *,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        """Show `dependencies`, and the incidents that all replicas share, else those of this one's workers."""
        self._dependencies = dependencies
        self._group = group
        self._shared = shared
        self._clock_s = clock_s

    def routes(self, surface: Surface) -> list[web.RouteDef]:
        """Return the routes served."""
        return [
            surface.keyed("/monitoring/health", Scope.MONITORING_READ, self._health),
            surface.keyed("/monitoring/errors", Scope.MONITORING_READ, self._errors),
        ]

    async def _health(self, request: web.Request, reader: Reader) -> web.Response:
        del request, reader
        health = await self._dependencies.look()
        return json_answer(health, status=503 if health["status"] == "down" else 200)

    async def _errors(self, request: web.Request, reader: Reader) -> web.Response:
        del request, reader
        everywhere = await self._shared.everywhere()
        state = self._group.incidents() if everywhere is None else everywhere
        now_s = self._clock_s()
        return json_answer(
            Errors(
                scope="this replica" if everywhere is None else "every replica",
                windows=incidents.windows(state, now_s),
                recent=incidents.latest(state),
                checked_at=moment(now_s),
            )
        )
