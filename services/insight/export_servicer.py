"""InsightService's export: parts of the model to messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc

from services.insight.exporting import Exporter

Context = grpc.aio.ServicerContext[Any, Any]


class ExportServicer(insight_pb2_grpc.InsightServiceServicer):
    """The RPC that hands the model out."""

    def __init__(self, exporter: Exporter) -> None:
        """Export through `exporter`."""
        self._exporter = exporter

    async def ExportModel(
        self, request: insight_pb2.ExportModelRequest, context: Context
    ) -> AsyncIterator[insight_pb2.ExportModelResponse]:
        """Stream the model, and the profiles where they are asked for."""
        async for part in self._exporter.export(profiles=request.profiles):
            yield insight_pb2.ExportModelResponse(format=part.format, part=part.lines)
