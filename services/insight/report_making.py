"""Reports as documents: of any period, in any format, or the one that was stored on time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mesh.errors import Fault, Kind, invalid
from services.insight.ports import StoreDown
from services.insight.rendering import MEDIA_TYPES, to_html, to_json, to_markdown
from services.insight.report_model import Period, Report
from services.insight.report_ports import StoredReports
from services.insight.reporting import DAY_MS, Reporter

DAYS_MAX: Final = 366
_AT_ONCE_MAX: Final = 2
DOCUMENT_BYTES_MAX: Final = 4 * 1024 * 1024

ToPdf = Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A rendered report."""

    content: bytes
    media_type: str


class ReportMaker:
    """Makes documents."""

    def __init__(self, reporter: Reporter, stored: StoredReports, *, to_pdf: ToPdf) -> None:
        """Make reports through `reporter`, find stored ones in `stored`, turn pages into PDF with `to_pdf`."""
        self._reporter = reporter
        self._stored = stored
        self._to_pdf = to_pdf
        # Each takes the database seconds; more at once would only make all of them late.
        self._making = asyncio.Semaphore(_AT_ONCE_MAX)

    async def make(self, period: Period, form: str) -> Document:
        """Return the report of a period as "json", "md", "html" or "pdf".

        Raises:
            Fault: the period is none, the ledger can't be read, or PDF can't be made here.
        """
        if not 0 < period.since_ms < period.until_ms:
            raise invalid("until_ms", "must be later than since_ms, which must be > 0")
        if period.until_ms - period.since_ms > DAYS_MAX * DAY_MS:
            raise invalid("until_ms", f"must be at most {DAYS_MAX} days after since_ms")
        if period.before.since_ms <= 0:
            raise invalid("since_ms", "must leave room after 1970 for the period before, which it is compared with")
        async with self._making:
            report = await self._reporter.report(period)
        if form != "pdf":
            return _document(await asyncio.to_thread(_RENDERERS[form], report), form)
        page = await asyncio.to_thread(to_html, report)
        return _document(await asyncio.to_thread(self._to_pdf, page), form)

    async def latest(self, form: str) -> Document:
        """Return the report stored last.

        Raises:
            Fault: NOT_FOUND, there is none; UNAVAILABLE; or PDF can't be made here.
        """
        try:
            found = await self._stored.latest()
        except StoreDown as error:
            raise Fault(
                kind=Kind.UNAVAILABLE,
                reason="DEPENDENCY_DOWN",
                message="Stored reports can't be read now; try again.",
                retry_after_s=1.0,
            ) from error
        if found is None:
            raise Fault(
                kind=Kind.NOT_FOUND,
                reason="NOT_FOUND",
                message="No report is stored; INSIGHT_REPORT_CRON says when one is.",
            )
        if form == "pdf":
            return _document(await asyncio.to_thread(self._to_pdf, found["html"].decode()), form)
        return _document(found[form], form)

    async def renderings(self, period: Period) -> Mapping[str, bytes]:
        """Return the report of a period in every format that is stored.

        Raises:
            Fault: the ledger can't be read.
        """
        report = await self._reporter.report(period)
        return {form: await asyncio.to_thread(render, report) for form, render in _RENDERERS.items()}


_RENDERERS: Final[Mapping[str, Callable[[Report], bytes]]] = {
    "json": to_json,
    "md": lambda report: to_markdown(report).encode(),
    "html": lambda report: to_html(report).encode(),
}


def _document(content: bytes, form: str) -> Document:
    if len(content) > DOCUMENT_BYTES_MAX:
        raise Fault(
            kind=Kind.OUT_OF_RANGE,
            reason="TOO_LARGE",
            message="The report is larger than 4 MiB; ask for a shorter period.",
            metadata={"limit": str(DOCUMENT_BYTES_MAX)},
        )
    return Document(content=content, media_type=MEDIA_TYPES[form])
