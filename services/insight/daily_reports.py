"""Stores the report that is due by a cron expression, once, whichever replica makes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from croniter import croniter
from structlog.typing import FilteringBoundLogger

from mesh.errors import Fault
from mesh.logs import error_fields
from services.insight.ports import StoreDown
from services.insight.report_making import ReportMaker
from services.insight.report_model import Period
from services.insight.report_ports import StoredReports

# What was recorded just before the end of a period is in the ledger's lists by then.
_SETTLE_S: Final = 10.0
_LOOK_S: Final = 30.0


def due_period(expression: str, now_s: float) -> Period:
    """Return the period that ended last by a cron expression in UTC: between its last two times."""
    times = croniter(expression, datetime.fromtimestamp(now_s, UTC))
    until = times.get_prev(datetime)
    since = times.get_prev(datetime)
    return Period(since_ms=int(since.timestamp() * 1000), until_ms=int(until.timestamp() * 1000))


class DailyReports:
    """Looks now and then whether a report is due that nobody has made; the last one missed is made up for."""

    def __init__(
        self,
        maker: ReportMaker,
        stored: StoredReports,
        *,
        expression: str,
        log: FilteringBoundLogger,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make reports with `maker` and keep them in `stored`, at the times of a cron `expression` in UTC."""
        self._maker = maker
        self._stored = stored
        self._expression = expression
        self._log = log
        self._clock = clock

    async def run(self) -> None:
        """Do so until cancelled."""
        while True:
            try:
                await self.look()
            except (Fault, StoreDown) as error:
                self._log.warning("report_delayed", **error_fields(error))
            except Exception as error:  # noqa: BLE001 - one report that can't be made must not end all later ones
                self._log.error("report_failed", **error_fields(error))
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> bool:
        """Make and store the report that is due, unless that is done or being done; return whether it was made here.

        Raises:
            Fault: the ledger can't be read; another look will try again.
            StoreDown: storage can't be reached; the same.
        """
        period = due_period(self._expression, self._clock() - _SETTLE_S)
        name = f"{period.since_ms}-{period.until_ms}"
        if not await self._stored.claim(name):
            return False
        await self._stored.store(name, await self._maker.renderings(period))
        self._log.info("report_stored", since_ms=period.since_ms, until_ms=period.until_ms)
        return True
