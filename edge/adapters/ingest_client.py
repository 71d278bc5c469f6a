"""Ingest over gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
from autopay.ingest.v1 import ingest_pb2
from autopay.type.v1 import error_pb2, payment_pb2, risk_pb2

from edge.model import Answer, Delivery, Disposition, EventAnswer, Outcome
from edge.representations import Risk
from mesh.streamed import StreamedMethod

SERVICE: Final = "autopay.ingest.v1.IngestService"
_DISPOSITIONS: Final = {each.value: each for each in Disposition}
_OUTCOMES: Final = {each.value: each for each in Outcome}
_STATUSES: Final[Mapping[int, Any]] = {
    number: name.removeprefix("PAYMENT_STATUS_").lower() for name, number in payment_pb2.PaymentStatus.items()
}
_LEVELS: Final[Mapping[int, Any]] = {
    number: name.removeprefix("RISK_LEVEL_").lower() for name, number in risk_pb2.RiskLevel.items()
}
_REASONS: Final = {number: name.removeprefix("ERROR_REASON_") for name, number in error_pb2.ErrorReason.items()}


class GrpcIngest:
    """The port `Ingest` over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over `channel`."""
        self._ingest = StreamedMethod(
            channel, f"/{SERVICE}/Ingest", takes=ingest_pb2.IngestRequest, answers=ingest_pb2.IngestResponse
        )

    async def ingest(self, deliveries: Sequence[Delivery], timeout_s: float) -> Sequence[Answer]:
        """Send one batch and return an answer per delivery."""
        request = ingest_pb2.IngestRequest()
        add = request.deliveries.add
        for delivery in deliveries:
            # Made in place: protobuf copies every message that is handed to a constructor.
            message = add(
                delivery_id=delivery.delivery_id,
                source=delivery.source,
                provider=delivery.provider,
                body=delivery.body,
                key_id=delivery.key_id,
                received_at_ms=delivery.received_at_ms,
                signed_at_ms=delivery.signed_at_ms,
                traceparent=delivery.traceparent,
            )
            for name, value in delivery.headers:
                message.headers.add(name=name, value=value)
        response = await self._ingest(request, timeout_s=timeout_s)
        return [_answer(result) for result in response.results]


def _answer(result: ingest_pb2.IngestResult) -> Answer:
    reason = result.reason
    return Answer(
        disposition=_DISPOSITIONS.get(result.disposition, Disposition.UNKNOWN),
        durable=result.durable,
        events=tuple([_event(event) for event in result.events]),
        reason=_REASONS.get(reason, "INTERNAL") if reason else "",
        errors=tuple([(each.field, each.description) for each in result.field_errors]) if reason else (),
    )


def _event(event: ingest_pb2.EventResult) -> EventAnswer:
    return EventAnswer(
        tx_id=event.tx_id,
        event_id=event.event_id,
        outcome=_OUTCOMES.get(event.outcome, Outcome.UNKNOWN),
        transaction_status=_STATUSES.get(event.status, "unspecified"),
        version=event.version,
        conflict_field=event.conflict_field,
        risk=risk_of(event.risk) if event.HasField("risk") else None,
    )


def risk_of(risk: risk_pb2.Risk) -> Risk:
    """Return a risk ready for JSON."""
    return {
        "score": round(risk.score, 4),
        "level": _LEVELS.get(risk.level, "unspecified"),
        "reasons": [
            {
                "code": reason.code,
                "sentence": reason.sentence,
                "contribution": round(reason.contribution, 4),
                "evidence": dict(evidence) if (evidence := reason.evidence) else {},
            }
            for reason in risk.reasons
        ],
    }
