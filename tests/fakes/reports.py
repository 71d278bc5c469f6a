"""Reports in memory: what was asked for, and a made-up document in the format wished."""

from __future__ import annotations

import asyncio
from datetime import datetime

from edge.model import RenderedReport
from mesh.errors import Fault
from services.insight.rendering import MEDIA_TYPES, to_html, to_json, to_markdown
from services.insight.reporting import Reporter
from tests.fakes.figures import PERIOD, MemoryFigures


class FakeReports:
    """Fits the edge's `InsightReports`."""

    def __init__(self) -> None:
        """Make reports until `fault` is set."""
        self.fault: Fault | None = None
        self.asked: list[tuple[datetime, datetime, str] | str] = []

    async def report(self, since: datetime, until: datetime, form: str, *, timeout_s: float) -> RenderedReport:
        """Make one."""
        self.asked.append((since, until, form))
        return await self._made(form)

    async def stored(self, form: str, *, timeout_s: float) -> RenderedReport:
        """Find one."""
        self.asked.append(form)
        return await self._made(form)

    async def _made(self, form: str) -> RenderedReport:
        if self.fault is not None:
            raise self.fault
        report = await Reporter(MemoryFigures()).report(PERIOD)
        rendered = {"json": to_json(report), "md": to_markdown(report).encode(), "pdf": b"%PDF-1.7"}
        content = rendered.get(form) or (await asyncio.to_thread(to_html, report)).encode()
        return RenderedReport(content=content, media_type=MEDIA_TYPES[form])
