"""Reports over HTTP: of the last day or of any, made now, or the one that was stored on time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, Self

from aiohttp import web
from pydantic import Field, model_validator

from edge import questions
from edge.api_keys import Reader
from edge.key_entries import Scope
from edge.ports import InsightReports
from edge.questions import Question
from edge.surface import Surface

_BUDGET_S: Final = 20.0
_DAY: Final = timedelta(days=1)
# The page holds its own styles, and nothing else: no script, nothing loaded.
_PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class ReportQuestion(Question):
    """The query of `/reports/daily`."""

    day: date | None = Field(
        default=None, alias="date", description="The day, UTC, like 2027-01-31; where left out, the last 24 hours."
    )
    form: Literal["json", "md", "html", "pdf"] = Field(
        default="json", alias="format", description="How the report is rendered."
    )
    stored: Literal["true", "false"] = Field(
        default="false", description="`true` for the report that was stored last; not together with date."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.day and self.stored == "true":
            raise ValueError("stored: can't be combined with date")
        return self


class Reports:
    """Answers with reports."""

    def __init__(self, insight: InsightReports, *, clock_s: Callable[[], float] = time.time) -> None:
        """Have `insight` make them."""
        self._insight = insight
        self._clock_s = clock_s

    def routes(self, surface: Surface) -> list[web.RouteDef]:
        """Return the routes served."""
        return [surface.keyed("/reports/daily", Scope.REPORTS_READ, self._daily)]

    async def _daily(self, request: web.Request, reader: Reader) -> web.Response:
        del reader
        question = questions.read(ReportQuestion, {name: request.query.getall(name) for name in request.query})
        if question.stored == "true":
            report = await self._insight.stored(question.form, timeout_s=_BUDGET_S)
        else:
            since, until = self._period(question.day)
            report = await self._insight.report(since, until, question.form, timeout_s=_BUDGET_S)
        headers = {"Content-Type": report.media_type, "Cache-Control": "no-store"}
        if question.form == "html":
            headers["Content-Security-Policy"] = _PAGE_POLICY
        if question.form == "pdf":
            headers["Content-Disposition"] = 'inline; filename="payments.pdf"'
        return web.Response(body=report.content, headers=headers)

    def _period(self, day: date | None) -> tuple[datetime, datetime]:
        if day is None:
            now = datetime.fromtimestamp(self._clock_s(), UTC)
            return now - _DAY, now
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return start, start + _DAY
