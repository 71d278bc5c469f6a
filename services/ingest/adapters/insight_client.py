"""Scores by insight, over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, cast

import grpc
from autopay.insight.v1 import insight_pb2
from autopay.type.v1 import payment_pb2

from mesh.errors import Fault, Kind
from mesh.streamed import StreamedMethod
from services.ingest.model import Entry, RiskMessage

SERVICE: Final = "autopay.insight.v1.InsightService"
_EVENTS_MAX: Final = 256


class InsightScorer:
    """Asks insight. Fits `ports.Scorer`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call through `channel`, which the caller closes."""
        self._score = StreamedMethod(
            channel, f"/{SERVICE}/Score", takes=insight_pb2.ScoreRequest, answers=insight_pb2.ScoreResponse
        )

    async def score(self, entries: Sequence[Entry], *, timeout_s: float) -> Sequence[RiskMessage]:
        """Return a risk for each event, in order.

        Raises:
            Fault: what insight or the channel said, or INTERNAL for a wrong number of answers.
        """
        requests = _requests(entries)
        if len(requests) == 1:
            return await self._ask(requests[0], timeout_s)
        # Rare: only deliveries of several events can hold more than a call takes. A gathering that fails refers to
        # itself by its own traceback, and so keeps everything it asked until the collector comes.
        answers = await asyncio.gather(*(self._ask(request, timeout_s) for request in requests))
        return [risk for answer in answers for risk in answer]

    async def _ask(self, request: insight_pb2.ScoreRequest, timeout_s: float) -> Sequence[RiskMessage]:
        response = await self._score(request, timeout_s=timeout_s)
        if len(response.risks) != len(request.items):
            message = f"Insight gave {len(response.risks)} risks for {len(request.items)} events."
            raise Fault(kind=Kind.INTERNAL, reason="INTERNAL", message=message)
        return [RiskMessage(risk) for risk in response.risks]


def _requests(entries: Sequence[Entry]) -> Sequence[insight_pb2.ScoreRequest]:
    request = insight_pb2.ScoreRequest()
    requests = [request]
    count = 0
    for entry in entries:
        for event in entry.events:
            if count == _EVENTS_MAX:
                request, count = insight_pb2.ScoreRequest(), 0
                requests.append(request)
            count += 1
            item = request.items.add(
                source=entry.delivery.source,
                received_at_ms=entry.delivery.received_at_ms,
                traceparent=entry.traceparent,
            )
            item.event.CopyFrom(cast("payment_pb2.PaymentEvent", event))
    return requests
