"""The ledger's payments as what the HTTP API answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import money_pb2, payment_pb2

from edge.adapters.ingest_client import risk_of
from edge.representations import Analysis, Event, FullPayment, Payment, Totals

_UNSPECIFIED: Final = "unspecified"


def _words(enum: Any, prefix: str) -> Mapping[int, Any]:
    return {number: name.removeprefix(prefix).lower() for name, number in enum.items()}


# What only a newer ledger knows is `unspecified`.
_STATUSES: Final = _words(payment_pb2.PaymentStatus, "PAYMENT_STATUS_")
_FLAGS: Final = _words(payment_pb2.PaymentFlag, "PAYMENT_FLAG_")
_KINDS: Final = _words(payment_pb2.EventKind, "EVENT_KIND_")
_REASONS: Final = _words(payment_pb2.DisputeReason, "DISPUTE_REASON_")
_STATES: Final = _words(ledger_pb2.AnalysisState, "ANALYSIS_STATE_")
_OUTCOMES: Final = _words(ledger_pb2.Outcome, "OUTCOME_")


def payment_of(transaction: ledger_pb2.Transaction) -> Payment:
    """Return a payment without its events."""
    amount = transaction.amount
    return Payment(
        source=transaction.source,
        tx_id=transaction.tx_id,
        version=transaction.version,
        status=_STATUSES.get(transaction.status, _UNSPECIFIED),
        amount=decimal_of(amount) if transaction.HasField("amount") else None,
        currency=amount.currency or None,
        sender_account=transaction.sender_account or None,
        receiver_account=transaction.receiver_account or None,
        totals=_totals(transaction.totals, amount.exponent),
        flags=[_FLAGS.get(flag, _UNSPECIFIED) for flag in transaction.flags],
        aliases=list(transaction.aliases),
        risk=risk_of(transaction.risk) if transaction.HasField("risk") else None,
        event_count=transaction.event_count,
        analysis_state=_STATES.get(transaction.analysis_state, _UNSPECIFIED),
        recorded_at=_time(transaction.recorded_at_ms),
        updated_at=_time(transaction.updated_at_ms),
    )


def full_payment_of(transaction: ledger_pb2.Transaction) -> FullPayment:
    """Return a payment with everything the ledger tells of it."""
    return FullPayment(
        **payment_of(transaction),
        description=transaction.description or None,
        events=[_event(stored) for stored in transaction.events],
        analysis=_analysis(transaction),
        analysis_error=transaction.analysis_error or None,
    )


def _analysis(transaction: ledger_pb2.Transaction) -> Analysis | None:
    if not transaction.HasField("analysis"):
        return None
    analysis = transaction.analysis
    return Analysis(
        summary=analysis.summary,
        category=analysis.category,
        anomaly_assessment=analysis.anomaly_assessment,
        recommended_action=analysis.recommended_action,
        confidence=analysis.confidence,
        model_version=analysis.model_version,
    )


def _event(stored: ledger_pb2.RecordedEvent) -> Event:
    event = stored.event
    return Event(
        event_id=event.event_id,
        kind=_KINDS.get(event.kind, _UNSPECIFIED),
        object_id=event.object_id or None,
        amount=decimal_of(event.amount) if event.HasField("amount") else None,
        currency=event.amount.currency or None,
        basis="cumulative" if event.basis == payment_pb2.AMOUNT_BASIS_CUMULATIVE else "delta",
        event_time=_time(event.event_time_ms) if event.event_time_ms else None,
        event_time_signed=event.event_time_signed,
        dispute_reason=_REASONS.get(event.dispute_reason, _UNSPECIFIED) if event.dispute_reason else None,
        outcome=_OUTCOMES.get(stored.outcome, _UNSPECIFIED),
        delivery=stored.delivery or None,
        recorded_at=_time(stored.recorded_at_ms),
        corrected_by=stored.correction.author or None,
    )


def _totals(totals: payment_pb2.Totals, exponent: int) -> Totals:
    def text(minor_units: int) -> str:
        return decimal_of(money_pb2.Money(minor_units=minor_units, exponent=exponent))

    return Totals(
        authorized=text(totals.authorized),
        captured=text(totals.captured),
        refunded=text(totals.refunded),
        disputed=text(totals.disputed),
    )


def decimal_of(money: money_pb2.Money) -> str:
    """Return an amount as an exact decimal string in major units."""
    digits = str(abs(money.minor_units)).rjust(money.exponent + 1, "0")
    sign = "-" if money.minor_units < 0 else ""
    if not money.exponent:
        return f"{sign}{digits}"
    return f"{sign}{digits[: -money.exponent]}.{digits[-money.exponent :]}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
