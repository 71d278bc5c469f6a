"""LedgerService's recording side: proto ⇄ domain, no decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import error_pb2, payment_pb2, risk_pb2

from mesh import callers
from mesh.errors import Fault, Kind, code_of, invalid, not_implemented
from services.ledger.intake import Intake
from services.ledger.model import (
    Delivery,
    Disposition,
    Event,
    EventKind,
    EventOutcome,
    Failure,
    Item,
    ItemResult,
    content_hash,
)
from services.ledger.requests import EVENTS_MAX, ITEMS_MAX, check_delivery_id, check_event, check_source

_BODY_BYTES_MAX: Final = 262_144
_HEADERS_MAX: Final = 32
_CUMULATIVE: Final = payment_pb2.AMOUNT_BASIS_CUMULATIVE
_WITHOUT_EVENTS: Final = frozenset({Disposition.IGNORED, Disposition.UNPROCESSABLE, Disposition.WAITING})
_LEVELS: Final = {0: "unspecified", 1: "low", 2: "medium", 3: "high", 4: "critical"}
_LEVEL_NUMBERS: Final = {name: number for number, name in _LEVELS.items()}

_UNANSWERED: Final = ledger_pb2.RecordResult()
_FAILURES: Final = {
    Failure.UNSTORABLE: (grpc.StatusCode.INVALID_ARGUMENT, "UNSTORABLE", "The item can't be stored.", False),
    Failure.NOT_DURABLE: (
        grpc.StatusCode.UNAVAILABLE,
        "NOT_DURABLE",
        "The write is not known to be durable; send the same item again, it can't be doubled.",
        True,
    ),
    Failure.CONTENDED: (
        grpc.StatusCode.ABORTED,
        "CONTENDED",
        "Other writers won every attempt for this payment; send the same item again.",
        True,
    ),
}


class RecordServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The RPCs that write."""

    def __init__(self, intake: Intake) -> None:
        """Record through `intake`."""
        self._intake = intake

    async def Record(
        self, request: ledger_pb2.RecordRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ledger_pb2.RecordResponse:
        """Record a batch; an item with a wrong field, or of a source the caller may not write, fails alone."""
        del context
        count = len(request.items)
        if not count:
            raise invalid("items", f"must hold 1 to {ITEMS_MAX} items")
        if count > ITEMS_MAX:
            raise Fault(
                kind=Kind.OUT_OF_RANGE,
                reason="TOO_LARGE",
                message=f"items: holds {count}, the most is {ITEMS_MAX}",
                metadata={"limit": str(ITEMS_MAX)},
            )
        return ledger_pb2.RecordResponse(results=await self._record(request.items, size=request.ByteSize()))

    async def _record(self, items: Sequence[ledger_pb2.RecordItem], *, size: int) -> list[ledger_pb2.RecordResult]:
        caller = callers.current()
        limited = not caller.unlimited
        if limited and not any(caller.may_write(message.source) for message in items):
            caller.demand(items[0].source)
        results: list[ledger_pb2.RecordResult] = [_UNANSWERED] * len(items)
        good: list[Item] = []
        places: list[int] = []
        for place, message in enumerate(items):
            try:
                if limited:
                    caller.demand(message.source)
                good.append(_item(message))
                places.append(place)
            except Fault as fault:
                results[place] = _refused(place, fault)
        if good:
            recorded = await self._intake.record(good, size=size)
            for place, result in zip(places, recorded, strict=True):
                results[place] = _result(result)
        return results

    def RecordStream(self, request_iterator: object, context: object) -> NoReturn:
        """Refuse: not built yet. Raised by the call itself: a coroutine would not be a stream of answers."""
        raise not_implemented("RecordStream")

    async def LeaseAnalyses(self, request: object, context: object) -> None:
        """Refuse: not built yet."""
        raise not_implemented("LeaseAnalyses")

    async def CompleteAnalysis(self, request: object, context: object) -> None:
        """Refuse: not built yet."""
        raise not_implemented("CompleteAnalysis")

    async def ListDeliveries(self, request: object, context: object) -> None:
        """Refuse: not built yet."""
        raise not_implemented("ListDeliveries")

    async def ResolveDelivery(self, request: object, context: object) -> None:
        """Refuse: not built yet."""
        raise not_implemented("ResolveDelivery")


def _item(message: ledger_pb2.RecordItem) -> Item:
    check_delivery_id(message.delivery_id, "delivery_id")
    check_source(message.source, "source")
    if len(message.events) > EVENTS_MAX:
        raise invalid("events", f"must be at most {EVENTS_MAX}")
    events = tuple([_event(event, place) for place, event in enumerate(message.events)])
    delivery = _delivery(message) if message.HasField("delivery") else None
    disposition = None
    if not events:
        if delivery is None:
            raise invalid("events", "must hold an event where there is no delivery")
        if int(message.disposition) not in _WITHOUT_EVENTS:
            raise invalid("disposition", "must be IGNORED, UNPROCESSABLE or WAITING for a delivery without events")
        disposition = Disposition(message.disposition)
    return Item(
        delivery_id=message.delivery_id,
        source=message.source,
        delivery=delivery,
        events=events,
        disposition=disposition,
        detail=message.disposition_detail[:500],
        traceparent=message.traceparent,
    )


def _delivery(message: ledger_pb2.RecordItem) -> Delivery:
    delivery = message.delivery
    if delivery.source != message.source:
        raise invalid("delivery.source", "must be the item's source")
    if len(delivery.body) > _BODY_BYTES_MAX:
        raise invalid("delivery.body", f"must be at most {_BODY_BYTES_MAX} bytes")
    if len(delivery.headers) > _HEADERS_MAX:
        raise invalid("delivery.headers", f"must be at most {_HEADERS_MAX}")
    return Delivery(
        body=delivery.body,
        provider=delivery.provider,
        headers=tuple([(header.name, header.value) for header in delivery.headers]),
        key_id=delivery.key_id,
        received_at_ms=delivery.received_at_ms,
        signed_at_ms=delivery.signed_at_ms,
        traceparent=delivery.traceparent,
    )


def _event(message: ledger_pb2.RecordEvent, place: int) -> Event:
    fact = message.event
    if not 0 < fact.kind <= EventKind.RETURNED:
        raise invalid(f"events[{place}].kind", "must be one of EventKind")
    has_amount = fact.HasField("amount")
    amount, currency = (fact.amount.minor_units, fact.amount.currency) if has_amount else (None, "")
    tx_id, kind, object_id = fact.tx_id, EventKind(fact.kind), fact.object_id
    cumulative = fact.basis == _CUMULATIVE
    sender, receiver, description = fact.sender_account, fact.receiver_account, fact.description
    content = content_hash(tx_id, kind, object_id, amount, currency, cumulative, sender, receiver, description)
    event = Event(
        tx_id=tx_id,
        # An event without an id is identified by its facts, so that their repeat is the same event.
        event_id=fact.event_id or f"h-{content.hex()}",
        kind=kind,
        object_id=object_id,
        amount=amount,
        currency=currency,
        exponent=fact.amount.exponent if has_amount else 0,
        cumulative=cumulative,
        amount_fixed=fact.amount_fixed,
        sender=sender,
        receiver=receiver,
        time_ms=fact.event_time_ms,
        time_signed=fact.event_time_signed,
        description=description,
        aliases=tuple(fact.aliases),
        content=content,
        risk=_risk(message.risk) if message.HasField("risk") else None,
    )
    try:
        check_event(event)
    except Fault as fault:
        wrong = fault.fields[0]
        raise invalid(f"events[{place}].{wrong.field}", wrong.description) from None
    return event


def _risk(message: risk_pb2.Risk) -> dict[str, Any]:
    return {
        "score": message.score,
        "level": _LEVELS.get(message.level, "unspecified"),
        "reasons": [
            {
                "code": reason.code,
                "sentence": reason.sentence,
                "contribution": reason.contribution,
                "evidence": dict(reason.evidence),
            }
            for reason in message.reasons
        ],
        "model_version": message.model_version,
    }


def risk_message(risk: Any) -> risk_pb2.Risk | None:
    """Return a stored risk as its message, None where there is none."""
    if risk is None:
        return None
    return risk_pb2.Risk(
        score=risk["score"],
        level=_LEVEL_NUMBERS[risk["level"]],  # type: ignore[arg-type]  # an enum's number
        reasons=[risk_pb2.RiskReason(**reason) for reason in risk["reasons"]],
        model_version=risk["model_version"],
    )


def _refused(place: int, fault: Fault) -> ledger_pb2.RecordResult:
    if fault.kind is Kind.FORBIDDEN:
        return ledger_pb2.RecordResult(
            error=ledger_pb2.RecordError(
                code=code_of(fault.kind).value[0],
                reason=error_pb2.ERROR_REASON_FORBIDDEN,
                message=fault.message,
                field=f"items[{place}].source",
            )
        )
    wrong = fault.fields[0]
    return ledger_pb2.RecordResult(
        error=ledger_pb2.RecordError(
            code=grpc.StatusCode.INVALID_ARGUMENT.value[0],
            reason=error_pb2.ERROR_REASON_INVALID_FIELD,
            message=f"{wrong.field}: {wrong.description}",
            field=f"items[{place}].{wrong.field}",
        )
    )


def _result(result: ItemResult) -> ledger_pb2.RecordResult:
    if result.failure is not None or result.disposition is None:
        code, reason, text, retryable = _FAILURES[result.failure or Failure.NOT_DURABLE]
        return ledger_pb2.RecordResult(
            error=ledger_pb2.RecordError(
                code=code.value[0],
                reason=f"ERROR_REASON_{reason}",
                message=text,
                field=result.field,
                retryable=retryable,
            )
        )
    return ledger_pb2.RecordResult(
        disposition=result.disposition,  # type: ignore[arg-type]  # the numbers are the same
        events=[_outcome(outcome) for outcome in result.events],
    )


def _outcome(outcome: EventOutcome) -> ledger_pb2.EventOutcome:
    return ledger_pb2.EventOutcome(
        tx_id=outcome.tx_id,
        event_id=outcome.event_id,
        outcome=outcome.outcome,  # type: ignore[arg-type]  # the numbers are the same
        status=outcome.status,  # type: ignore[arg-type]
        version=outcome.version,
        conflict_field=outcome.conflict_field,
        risk=risk_message(outcome.risk),
    )
