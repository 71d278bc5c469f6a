"""Following: every replica scores by the weights that verdicts have come to."""

from __future__ import annotations

import asyncio
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from mesh.logs import error_fields
from services.insight.ports import StoreDown
from services.insight.scoring import Scorer
from services.insight.tuning import scorecard_of
from services.insight.verdicts import Judgement


class Judgements(Protocol):
    """What verdicts have taught."""

    async def judgement(self) -> Judgement:
        """Return it as it was saved last.

        Raises:
            StoreDown: nobody knows.
        """


class ScorecardFollower:
    """Brings a scorer the newest scorecard."""

    def __init__(self, judgements: Judgements, scorer: Scorer, *, every_s: float, log: FilteringBoundLogger) -> None:
        """Ask `judgements` every so often."""
        self._judgements = judgements
        self._scorer = scorer
        self._every_s = every_s
        self._log = log

    async def run(self) -> None:
        """Follow until cancelled; while the store is down, the weights stay as they are."""
        reached = True
        while True:
            try:
                await self.look()
            except StoreDown as down:
                if reached:
                    self._log.warning("scorecard_unreadable", **error_fields(down))
                reached = False
            else:
                reached = True
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Take the newest weights over.

        Raises:
            StoreDown: nobody knows them now.
        """
        scorecard = scorecard_of(await self._judgements.judgement())
        if scorecard != self._scorer.scorecard:
            self._scorer.scorecard = scorecard
            self._log.info("scorecard", version=scorecard.version)
