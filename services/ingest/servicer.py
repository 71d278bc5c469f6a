"""IngestService: proto ⇄ domain, no decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import grpc
from autopay.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from autopay.type.v1 import error_pb2, risk_pb2

from mesh import callers
from services.ingest.adapters.delivery_message import to_delivery
from services.ingest.intake import Intake
from services.ingest.model import Answer, Delivery

SERVICE: Final = "autopay.ingest.v1.IngestService"
_FIELD_ERRORS_MAX: Final = 32
_FORBIDDEN: Final = Answer(reason="FORBIDDEN")


class IngestServicer(ingest_pb2_grpc.IngestServiceServicer):
    """Answers Ingest calls."""

    def __init__(self, intake: Intake) -> None:
        """Take deliveries in through `intake`."""
        self._intake = intake

    async def Ingest(
        self, request: ingest_pb2.IngestRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ingest_pb2.IngestResponse:
        """Take a batch in and answer per delivery."""
        deliveries = [to_delivery(message) for message in request.deliveries]
        answers = await self._permitted(deliveries, timeout_s=context.time_remaining() or 0.0)
        response = ingest_pb2.IngestResponse()
        for answer in answers:
            _fill(response.results.add(), answer)
        return response

    async def _permitted(self, deliveries: Sequence[Delivery], *, timeout_s: float) -> Sequence[Answer]:
        """Take in what the caller may send; of a mixed batch the rest is refused alone, so that others go on."""
        caller = callers.current()
        if caller.unlimited:
            return await self._intake.ingest(deliveries, timeout_s=timeout_s)
        permitted = [delivery for delivery in deliveries if caller.may_write(delivery.source)]
        if deliveries and not permitted:
            caller.demand(deliveries[0].source)
        answers = iter(await self._intake.ingest(permitted, timeout_s=timeout_s))
        return [next(answers) if caller.may_write(delivery.source) else _FORBIDDEN for delivery in deliveries]


def _fill(result: ingest_pb2.IngestResult, answer: Answer) -> None:
    # Filled in place: protobuf copies every message that is handed to a constructor.
    result.disposition = answer.disposition  # type: ignore[assignment]  # the numbers are the same
    result.durable = answer.durable
    for outcome in answer.events:
        event = result.events.add(
            tx_id=outcome.tx_id,
            event_id=outcome.event_id,
            outcome=outcome.outcome,
            status=outcome.status,
            version=outcome.version,
            conflict_field=outcome.conflict_field,
        )
        if outcome.risk is not None:
            event.risk.CopyFrom(cast("risk_pb2.Risk", outcome.risk))
    if answer.reason:
        result.reason = error_pb2.ErrorReason.Value(f"ERROR_REASON_{answer.reason}")  # type: ignore[assignment]  # as above
    for wrong in answer.wrong[:_FIELD_ERRORS_MAX]:
        result.field_errors.add(field=wrong.field, description=wrong.description)
