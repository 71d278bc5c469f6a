"""Payments and their changes as messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import money_pb2, payment_pb2, risk_pb2

from services.ledger.analysis import Analysis, AnalysisState
from services.ledger.correction import Correction
from services.ledger.model import Event
from services.ledger.read_ports import Found, PaymentChange, risk_level_of
from services.ledger.summarizing import Dimension, SummaryRow

_DELTA: Final = payment_pb2.AMOUNT_BASIS_DELTA
_CUMULATIVE: Final = payment_pb2.AMOUNT_BASIS_CUMULATIVE


def render(changes: Sequence[PaymentChange], position: str) -> ledger_pb2.WatchTransactionsResponse:
    """Return the message of consecutive changes and the position after them."""
    message = ledger_pb2.WatchTransactionsResponse(resume_token=position)
    add = message.changes.add
    for change in changes:
        # Made in place: protobuf copies every message that is handed to a constructor.
        told = add(
            source=change.source,
            tx_id=change.tx_id,
            version=change.version,
            status=_number(change.facts.status),
            recorded_at_ms=change.recorded_at_ms,
            sender_account=change.sender,
            receiver_account=change.receiver,
            risk_level=_number(change.facts.risk_level),
            outcome=_number(change.outcome),
        )
        for event in change.events:
            _fill_amount(told.events.add(**_fields_of(event)), event)
    return message


def event_message(event: Event) -> payment_pb2.PaymentEvent:
    """Return an event as its message."""
    message = payment_pb2.PaymentEvent(**_fields_of(event))
    _fill_amount(message, event)
    return message


def _fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of an event's message but its amount; what is empty is left out, as on the wire."""
    fields: dict[str, Any] = {
        "tx_id": event.tx_id,
        "event_id": event.event_id,
        "kind": _number(event.kind),
        "basis": _CUMULATIVE if event.cumulative else _DELTA,
        "amount_fixed": event.amount_fixed,
        "sender_account": event.sender,
        "receiver_account": event.receiver,
    }
    if event.object_id:
        fields["object_id"] = event.object_id
    if event.time_ms:
        fields["event_time_ms"] = event.time_ms
        fields["event_time_signed"] = event.time_signed
    if event.description:
        fields["description"] = event.description
    if event.aliases:
        fields["aliases"] = event.aliases
    if event.dispute_reason:
        fields["dispute_reason"] = event.dispute_reason
    return fields


def _fill_amount(message: payment_pb2.PaymentEvent, event: Event) -> None:
    if event.amount is not None:
        amount = message.amount
        amount.minor_units = event.amount
        amount.currency = event.currency
        amount.exponent = event.exponent


def transaction_message(found: Found, *, full: bool) -> ledger_pb2.Transaction:
    """Return a payment as its message; `full` with its events, in the order of the fold, and its description."""
    payment = found.payment
    totals = payment.totals
    message = ledger_pb2.Transaction(
        source=payment.source,
        tx_id=payment.tx_id,
        version=payment.version,
        status=_number(payment.status),
        amount=_money(payment.amount, payment.currency, payment.exponent),
        sender_account=payment.sender,
        receiver_account=payment.receiver,
        totals=payment_pb2.Totals(
            authorized=totals.authorized,
            captured=totals.captured,
            refunded=totals.refunded,
            disputed=totals.disputed,
        ),
        flags=[_number(flag) for flag in payment.flags],
        aliases=payment.aliases,
        risk=risk_message(payment.risk),
        recorded_at_ms=payment.recorded_at_ms,
        updated_at_ms=payment.updated_at_ms,
        event_count=found.event_count,
        analysis_state=_number(payment.analysis.state if payment.analysis is not None else AnalysisState.NONE),
    )
    if full:
        message.description = payment.description
        if payment.analysis is not None:
            message.analysis_error = payment.analysis.error
            if payment.analysis.result is not None:
                message.analysis.CopyFrom(_analysis_message(payment.analysis.result))
        for stored in sorted(payment.events, key=lambda each: each.event.order):
            message.events.add(
                event=event_message(stored.event),
                outcome=_number(stored.outcome),
                delivery=stored.delivery,
                recorded_at_ms=stored.recorded_at_ms,
                correction=_correction_message(stored.event.correction),
            )
    return message


def _analysis_message(analysis: Analysis) -> ledger_pb2.Analysis:
    return ledger_pb2.Analysis(
        summary=analysis.summary,
        category=analysis.category,
        anomaly_assessment=analysis.anomaly_assessment,
        recommended_action=analysis.recommended_action,
        confidence=analysis.confidence,
        model_version=analysis.model_version,
    )


def _correction_message(correction: Correction | None) -> ledger_pb2.Correction | None:
    if correction is None:
        return None
    return ledger_pb2.Correction(
        author=correction.author,
        note=correction.note,
        event_id=correction.of,
        replaced_event_ids=correction.replaces,
    )


def _money(amount: int | None, currency: str, exponent: int) -> money_pb2.Money | None:
    if amount is None:
        return None
    return money_pb2.Money(minor_units=amount, currency=currency, exponent=exponent)


def summary_message(row: SummaryRow) -> ledger_pb2.SummaryRow:
    """Return one group of a summary as its message."""
    currency = row.key.get(Dimension.CURRENCY, "")
    return ledger_pb2.SummaryRow(
        key={dimension.name.lower(): value for dimension, value in row.key.items()},
        count=row.count,
        amount=money_pb2.Money(minor_units=row.amount, currency=currency, exponent=row.exponent),
        totals=payment_pb2.Totals(
            authorized=row.authorized, captured=row.captured, refunded=row.refunded, disputed=row.disputed
        ),
    )


def risk_message(risk: Mapping[str, Any] | None) -> risk_pb2.Risk | None:
    """Return a stored risk as its message, None where there is none."""
    if risk is None:
        return None
    return risk_pb2.Risk(
        score=risk["score"],
        level=_number(risk_level_of(risk["level"])),
        reasons=[risk_pb2.RiskReason(**reason) for reason in risk["reasons"]],
        model_version=risk["model_version"],
    )


def _number(value: IntEnum | None) -> Any:
    """Return a number of ours as the contract's enum, which has the same numbers, 0 for none."""
    return value or 0
