"""Insight's reports over gRPC."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc

from edge.model import RenderedReport
from mesh.channel import call

_FORMATS: Final = {
    "json": insight_pb2.REPORT_FORMAT_JSON,
    "md": insight_pb2.REPORT_FORMAT_MARKDOWN,
    "html": insight_pb2.REPORT_FORMAT_HTML,
    "pdf": insight_pb2.REPORT_FORMAT_PDF,
}


class GrpcReports:
    """The port `InsightReports` over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over `channel`."""
        self._generate = insight_pb2_grpc.InsightServiceStub(channel).GenerateReport

    async def report(self, since: datetime, until: datetime, form: str, *, timeout_s: float) -> RenderedReport:
        """Ask for the report of a period."""
        since_ms, until_ms = (int(each.timestamp() * 1000) for each in (since, until))
        request = insight_pb2.GenerateReportRequest(since_ms=since_ms, until_ms=until_ms, format=_FORMATS[form])
        return await self._ask(request, timeout_s)

    async def stored(self, form: str, *, timeout_s: float) -> RenderedReport:
        """Ask for the report stored last."""
        return await self._ask(insight_pb2.GenerateReportRequest(stored=True, format=_FORMATS[form]), timeout_s)

    async def _ask(self, request: insight_pb2.GenerateReportRequest, timeout_s: float) -> RenderedReport:
        response: insight_pb2.GenerateReportResponse = await call(self._generate, request, timeout_s=timeout_s)
        return RenderedReport(content=response.content, media_type=response.media_type)
