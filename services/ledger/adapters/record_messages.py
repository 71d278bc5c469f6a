"""What is to be recorded, and what became of it, as messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import error_pb2, payment_pb2, risk_pb2

from mesh.errors import Fault, Kind, code_of, invalid
from services.ledger.adapters.payment_messages import risk_message
from services.ledger.item_requests import check_delivery, check_risk, check_traceparent
from services.ledger.model import (
    Delivery,
    Disposition,
    Event,
    EventKind,
    Failure,
    Item,
    ItemResult,
    content_hash,
    content_id,
)
from services.ledger.requests import EVENTS_MAX, check_delivery_id, check_event, check_source

_BASES: Final = frozenset(payment_pb2.AmountBasis.values())
_KINDS: Final = {int(kind): kind for kind in EventKind}
_CUMULATIVE: Final = payment_pb2.AMOUNT_BASIS_CUMULATIVE
_WITHOUT_EVENTS: Final = frozenset({Disposition.IGNORED, Disposition.UNPROCESSABLE, Disposition.WAITING})
_LEVELS: Final = {0: "unspecified", 1: "low", 2: "medium", 3: "high", 4: "critical"}

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
    Failure.TOO_NEW: (
        grpc.StatusCode.UNAVAILABLE,
        "SCHEMA_TOO_NEW",
        "The payment is stored in a newer form than this replica knows; an updated replica can record it.",
        True,
    ),
    Failure.UNRESOLVED: (
        grpc.StatusCode.NOT_FOUND,
        "NOT_FOUND",
        "No payment of the source has one of the aliases yet; send the same item again once it is recorded.",
        False,
    ),
    Failure.AMBIGUOUS: (
        grpc.StatusCode.FAILED_PRECONDITION,
        "AMBIGUOUS",
        "More than one payment of the source has one of the aliases; name the payment.",
        False,
    ),
}


def to_item(message: ledger_pb2.RecordItem) -> Item:
    """Return the item a message holds.

    Raises:
        Fault: INVALID_FIELD naming the first wrong field, relative to the item.
    """
    check_delivery_id(message.delivery_id, "delivery_id")
    check_source(message.source, "source")
    check_traceparent(message.traceparent, "traceparent")
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
    taken = Delivery(
        body=delivery.body,
        provider=delivery.provider,
        headers=tuple([(header.name, header.value) for header in delivery.headers]),
        key_id=delivery.key_id,
        received_at_ms=delivery.received_at_ms,
        signed_at_ms=delivery.signed_at_ms,
        traceparent=delivery.traceparent,
    )
    check_delivery(taken)
    return taken


def _event(message: ledger_pb2.RecordEvent, place: int) -> Event:
    fact = message.event
    number, basis = fact.kind, fact.basis
    kind = _KINDS.get(number)
    if kind is None:
        raise invalid(f"events[{place}].event.kind", "must be one of EventKind")
    if basis not in _BASES:
        raise invalid(f"events[{place}].event.basis", "must be one of AmountBasis")
    amount, currency, exponent = None, "", 0
    if fact.HasField("amount"):
        money = fact.amount
        amount, currency, exponent = money.minor_units, money.currency, money.exponent
    tx_id, object_id = fact.tx_id, fact.object_id
    cumulative = basis == _CUMULATIVE
    sender, receiver, description = fact.sender_account, fact.receiver_account, fact.description
    content = content_hash(tx_id, number, object_id, amount, currency, cumulative, sender, receiver, description)
    event = Event(
        tx_id=tx_id,
        # An event without an id is identified by its facts, so that their repeat is the same event.
        event_id=fact.event_id or content_id(content),
        kind=kind,
        object_id=object_id,
        amount=amount,
        currency=currency,
        exponent=exponent,
        cumulative=cumulative,
        amount_fixed=fact.amount_fixed,
        sender=sender,
        receiver=receiver,
        time_ms=fact.event_time_ms,
        time_signed=fact.event_time_signed,
        description=description,
        aliases=tuple(fact.aliases),
        content=content,
        dispute_reason=fact.dispute_reason,
        risk=_risk(message.risk) if message.HasField("risk") else None,
    )
    try:
        check_event(event)
    except Fault as fault:
        wrong = fault.fields[0]
        raise invalid(f"events[{place}].event.{wrong.field}", wrong.description) from None
    if event.risk is not None:
        _check_risk(event.risk, place)
    return event


def _check_risk(risk: Mapping[str, Any], place: int) -> None:
    try:
        check_risk(risk)
    except Fault as fault:
        wrong = fault.fields[0]
        raise invalid(f"events[{place}].{wrong.field}", wrong.description) from None


def _risk(message: risk_pb2.Risk) -> dict[str, Any]:
    # A level of a newer insight is stored as none: no payment fails because of its risk's name.
    return {
        "score": message.score,
        "level": _LEVELS.get(message.level, "unspecified"),
        "reasons": [
            {
                "code": reason.code,
                "sentence": reason.sentence,
                "contribution": reason.contribution,
                "evidence": dict(evidence) if (evidence := reason.evidence) else {},
            }
            for reason in message.reasons
        ],
        "model_version": message.model_version,
    }


def fill_refused(message: ledger_pb2.RecordResult, place: int, fault: Fault) -> None:
    """Say of the item at a place that it is wrong, or that the caller may not write it."""
    error = message.error
    if fault.kind is Kind.FORBIDDEN:
        error.code = code_of(fault.kind).value[0]
        error.reason = error_pb2.ERROR_REASON_FORBIDDEN
        error.message = fault.message
        error.field = f"items[{place}].source"
        return
    wrong = fault.fields[0]
    error.code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
    error.reason = error_pb2.ERROR_REASON_INVALID_FIELD
    error.message = f"{wrong.field}: {wrong.description}"
    error.field = f"items[{place}].{wrong.field}"


def fill_unrecorded(message: ledger_pb2.RecordResult, place: int, fault: Fault) -> None:
    """Say of the item at a place that nothing is known of its batch."""
    error = message.error
    error.code = code_of(fault.kind).value[0]
    error.reason = error_pb2.ErrorReason.Value(f"ERROR_REASON_{fault.reason}")  # type: ignore[assignment]  # its number
    error.message = fault.message
    error.field = f"items[{place}]"
    error.retryable = True


def fill_result(message: ledger_pb2.RecordResult, place: int, result: ItemResult) -> None:
    """Say what became of the item at a place; in place, because protobuf copies what a constructor is handed."""
    if result.failure is not None or result.disposition is None:
        code, reason, text, retryable = _FAILURES[result.failure or Failure.NOT_DURABLE]
        error = message.error
        error.code = code.value[0]
        error.reason = error_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")  # type: ignore[assignment]  # as above
        error.message = _explained(text, result)
        # What a store names is a part of its document; of the request it is the item as a whole.
        error.field = f"items[{place}]"
        error.retryable = retryable
        return
    message.disposition = result.disposition  # type: ignore[assignment]  # the numbers are the same
    for outcome in result.events:
        event = message.events.add(
            tx_id=outcome.tx_id,
            event_id=outcome.event_id,
            outcome=outcome.outcome,
            status=outcome.status or 0,
            version=outcome.version,
            conflict_field=outcome.conflict_field,
        )
        if (risk := risk_message(outcome.risk)) is not None:
            event.risk.CopyFrom(risk)


def _explained(text: str, result: ItemResult) -> str:
    if result.failure is Failure.UNSTORABLE and result.field:
        return f"{text} Too large or of no stored kind: {result.field}."
    return text
