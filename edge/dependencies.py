"""What the edge needs, how it is now, and when it last was well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from edge.ports import Checks
from edge.representations import Dependency, Health
from mesh.server import dependency_service

_CHECK_S_MAX: Final = 1.0
_LOOK_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One dependency.

    Attributes:
        name: as it is shown.
        process: whom to ask.
        service: what to ask it for.
        reported: whether the process speaks of something behind it, and not of itself.
        needed: whether webhooks are refused without it.
    """

    name: str
    process: str
    service: str
    reported: bool = False
    needed: bool = True


NEEDS: Final = (
    Need(name="ingest", process="ingest", service="autopay.ingest.v1.IngestService"),
    Need(name="ledger", process="ledger", service="autopay.ledger.v1.LedgerService"),
    Need(name="mongodb", process="ledger", service=dependency_service("mongodb"), reported=True),
    Need(name="insight", process="insight", service="autopay.insight.v1.InsightService", needed=False),
    Need(name="gemini", process="insight", service=dependency_service("gemini"), reported=True, needed=False),
)


class Dependencies:
    """Looks at every dependency, when asked and every ten seconds."""

    def __init__(
        self, checks: Checks, *, needs: Sequence[Need] = NEEDS, clock_s: Callable[[], float] = time.time
    ) -> None:
        """Ask through `checks`."""
        self._checks = checks
        self._needs = needs
        self._clock_s = clock_s
        self._last_success_s: dict[str, float] = {}

    async def look(self) -> Health:
        """Check everything at once, for at most a second."""
        found = await asyncio.gather(*(self._check(need) for need in self._needs))
        away = {each["name"] for each in found if each["state"] == "down"}
        for each in found:
            if each["reported_by"] in away:
                # What stands behind a process that is away may be well.
                each["state"], each["latency_ms"] = "unknown", None
        return Health(status=_status_of(found), dependencies=list(found), checked_at=moment(self._clock_s()))

    async def run(self) -> None:
        """Look now and then, for as long as this is not cancelled, so that a last success is known when it is asked."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def _check(self, need: Need) -> Dependency:
        started = time.perf_counter()
        well = await self._checks.check(need.process, need.service, timeout_s=_CHECK_S_MAX)
        latency_ms = round((time.perf_counter() - started) * 1000, 2)
        if well:
            self._last_success_s[need.name] = self._clock_s()
        last_s = self._last_success_s.get(need.name)
        return Dependency(
            name=need.name,
            state="unknown" if well is None else "up" if well else "down",
            reported_by=need.process if need.reported else None,
            latency_ms=None if well is None else latency_ms,
            last_success=None if last_s is None else moment(last_s),
            needed=need.needed,
        )


def _status_of(found: Sequence[Dependency]) -> Literal["ok", "degraded", "down"]:
    if any(each["state"] == "down" and each["needed"] for each in found):
        return "down"
    return "degraded" if any(each["state"] == "down" for each in found) else "ok"


def moment(at_s: float) -> str:
    """Return a time as ISO 8601, UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
