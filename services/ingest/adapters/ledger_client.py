"""Recording by the ledger, over gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import grpc
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, error_pb2, payment_pb2, risk_pb2

from mesh.errors import Fault, Kind
from mesh.streamed import StreamedMethod
from services.ingest.model import Answer, Disposition, Entry, EventOutcome, RiskMessage

SERVICE: Final = "autopay.ledger.v1.LedgerService"
_DETAIL_CHARACTERS_MAX: Final = 500
_REASON_PREFIX: Final = "ERROR_REASON_"
_DISPOSITIONS: Final = {int(disposition): disposition for disposition in Disposition}


class LedgerClient:
    """Calls the ledger. Fits `ports.Ledger`; retries are the edge's."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call through `channel`, which the caller closes."""
        self._record = StreamedMethod(
            channel, f"/{SERVICE}/Record", takes=ledger_pb2.RecordRequest, answers=ledger_pb2.RecordResponse
        )

    async def record(
        self, entries: Sequence[Entry], risks: Sequence[RiskMessage | None], *, timeout_s: float
    ) -> Sequence[Answer]:
        """Record every entry in one call.

        Raises:
            Fault: what the ledger or the channel said, or INTERNAL for a wrong number of answers.
        """
        response = await self._record(_request(entries, risks), timeout_s=timeout_s)
        if len(response.results) != len(entries):
            message = f"The ledger gave {len(response.results)} results for {len(entries)} items."
            raise Fault(kind=Kind.INTERNAL, reason="INTERNAL", message=message)
        risk_of_next = iter(risks)
        return [
            _answer(result, [next(risk_of_next) for _ in entry.events])
            for entry, result in zip(entries, response.results, strict=True)
        ]


def _request(entries: Sequence[Entry], risks: Sequence[RiskMessage | None]) -> ledger_pb2.RecordRequest:
    request = ledger_pb2.RecordRequest()
    risk_of_next = iter(risks)
    for entry in entries:
        delivery = entry.delivery
        item = request.items.add(
            delivery_id=delivery.delivery_id, source=delivery.source, traceparent=entry.traceparent
        )
        # CopyFrom copies in C; a message handed to a constructor is serialised and parsed again.
        item.delivery.CopyFrom(cast("delivery_pb2.Delivery", delivery.message))
        for message in entry.events:
            event = item.events.add()
            event.event.CopyFrom(cast("payment_pb2.PaymentEvent", message))
            risk = next(risk_of_next)
            if risk is not None:
                event.risk.CopyFrom(cast("risk_pb2.Risk", risk))
        if not entry.events:
            item.disposition = entry.disposition  # type: ignore[assignment]  # the numbers are the same
            item.disposition_detail = _detail(entry)
    return request


def _detail(entry: Entry) -> str:
    return "; ".join(f"{wrong.field}: {wrong.description}" for wrong in entry.wrong)[:_DETAIL_CHARACTERS_MAX]


def _answer(result: ledger_pb2.RecordResult, sent: Sequence[RiskMessage | None]) -> Answer:
    disposition = _DISPOSITIONS.get(result.disposition, Disposition.UNSPECIFIED)
    if disposition is Disposition.UNSPECIFIED or result.HasField("error"):
        return Answer(reason=_reason(result.error.reason))
    return Answer(
        disposition=disposition,
        durable=True,
        events=[_outcome(event, risk) for event, risk in zip(result.events, sent, strict=False)],
        reason="CONFLICT" if disposition is Disposition.CONFLICT else "",
    )


def _outcome(event: ledger_pb2.EventOutcome, sent: RiskMessage | None) -> EventOutcome:
    """Return an outcome with the risk as stored: the ledger sends back only one that differs from what it was sent."""
    return EventOutcome(
        tx_id=event.tx_id,
        event_id=event.event_id,
        outcome=event.outcome,
        status=event.status,
        version=event.version,
        conflict_field=event.conflict_field,
        risk=RiskMessage(event.risk) if event.HasField("risk") else sent,
    )


def _reason(number: int) -> str:
    """Return a reason's name; one that is not known here leaves the outcome unknown."""
    known = error_pb2.ErrorReason.values()
    if number == error_pb2.ERROR_REASON_UNSPECIFIED or number not in known:
        return "NOT_DURABLE"
    return error_pb2.ErrorReason.Name(number).removeprefix(_REASON_PREFIX)
