"""InsightService on the wire: messages to payments, risks to messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol

import grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.type.v1 import risk_pb2
from opentelemetry.trace import Span

from mesh.errors import Fault, Kind, invalid, not_implemented
from mesh.tracing import Tracing
from services.insight.model import Level, Payment, Risk
from services.insight.scoring import Scorer

ITEMS_MAX: Final = 256
_SOURCE_LENGTH_MAX: Final = 40
_ACCOUNT_LENGTH_MAX: Final = 50
_TX_ID_LENGTH_MAX: Final = 100
_CURRENCY_LENGTH: Final = 3
# The end of the year 9999: no clock of ours says more, and no exponential overflows.
_TIME_MS_MAX: Final = 253_402_300_799_999

_LEVELS: Final = {level: risk_pb2.RiskLevel.Name(level) for level in Level}

Context = grpc.aio.ServicerContext[Any, Any]


class Observer(Protocol):
    """Is told of what was scored, for metrics."""

    def scored(self, risks: Sequence[Risk]) -> None:
        """These risks were answered."""


class InsightServicer(insight_pb2_grpc.InsightServiceServicer):
    """Answers the calls."""

    def __init__(self, scorer: Scorer, *, tracing: Tracing, observer: Observer) -> None:
        """Score with `scorer`."""
        self._scorer = scorer
        self._tracing = tracing
        self._observer = observer

    async def Score(self, request: insight_pb2.ScoreRequest, context: Context) -> insight_pb2.ScoreResponse:
        """Rate every event of the batch."""
        started_ns = time.time_ns()
        items = request.items
        if not 1 <= len(items) <= ITEMS_MAX:
            raise _wrong_count(len(items))
        payments = [_payment(item, position) for position, item in enumerate(items)]
        risks = await self._scorer.score(payments)
        self._observer.scored(risks)
        for item, risk in zip(items, risks, strict=True):
            if item.traceparent:
                self._trace(item.traceparent, risk, started_ns)
        version = self._scorer.scorecard.version
        response = insight_pb2.ScoreResponse()
        add = response.risks.add
        for risk in risks:
            # Made in place: protobuf copies every message that is handed to a constructor.
            _fill_reasons(add(score=risk.score, level=_LEVELS[risk.level], model_version=version), risk)
        return response

    async def ExplainTransaction(
        self, request: insight_pb2.ExplainTransactionRequest, context: Context
    ) -> insight_pb2.ExplainTransactionResponse:
        """Not built yet."""
        raise not_implemented("ExplainTransaction")

    async def GenerateReport(
        self, request: insight_pb2.GenerateReportRequest, context: Context
    ) -> insight_pb2.GenerateReportResponse:
        """Not built yet."""
        raise not_implemented("GenerateReport")

    async def ExportModel(
        self, request: insight_pb2.ExportModelRequest, context: Context
    ) -> AsyncIterator[insight_pb2.ExportModelResponse]:
        """Not built yet."""
        raise not_implemented("ExportModel")
        yield insight_pb2.ExportModelResponse()  # type: ignore[unreachable] # makes it the stream it will be

    def _trace(self, traceparent: str, risk: Risk, started_ns: int) -> None:
        span: Span | None = self._tracing.item("insight.score", traceparent, start_ns=started_ns)
        if span is not None:
            span.set_attribute("autopay.risk.score", risk.score)
            span.set_attribute("autopay.risk.level", risk.level.name.lower())
            span.set_attribute("autopay.risk.reasons", [reason.code for reason in risk.reasons])
            span.end()


def _payment(item: insight_pb2.ScoreItem, position: int) -> Payment:
    """Return an item as the detector sees it.

    Raises:
        Fault: INVALID, naming the field.
    """
    event = item.event
    amount = event.amount
    source, tx_id, currency, minor_units = item.source, event.tx_id, amount.currency, amount.minor_units
    sender, receiver = event.sender_account, event.receiver_account
    at_ms = item.received_at_ms
    if not 0 < len(source) <= _SOURCE_LENGTH_MAX:
        raise invalid(f"items[{position}].source", f"must be 1 to {_SOURCE_LENGTH_MAX} characters.")
    # Only the ledger finds the payment of an event that comes with aliases alone; its risk does not depend on that.
    if not (0 < len(tx_id) <= _TX_ID_LENGTH_MAX or (not tx_id and event.aliases)):
        raise invalid(f"items[{position}].event.tx_id", f"must be 1 to {_TX_ID_LENGTH_MAX} characters.")
    if len(sender) > _ACCOUNT_LENGTH_MAX:
        raise invalid(f"items[{position}].event.sender_account", f"must be at most {_ACCOUNT_LENGTH_MAX} characters.")
    if len(receiver) > _ACCOUNT_LENGTH_MAX:
        raise invalid(f"items[{position}].event.receiver_account", f"must be at most {_ACCOUNT_LENGTH_MAX} characters.")
    if minor_units < 0:
        raise invalid(f"items[{position}].event.amount.minor_units", "must be > 0, or the amount absent.")
    if minor_units and len(currency) != _CURRENCY_LENGTH:
        raise invalid(f"items[{position}].event.amount.currency", "must be an ISO 4217 code.")
    if not 0 < at_ms <= _TIME_MS_MAX:
        raise invalid(f"items[{position}].received_at_ms", "must be milliseconds since the Unix epoch, > 0.")
    return Payment(source, tx_id, sender, receiver, minor_units, currency, at_ms)


def _fill_reasons(message: risk_pb2.Risk, risk: Risk) -> None:
    for reason in risk.reasons:
        message.reasons.add(
            code=reason.code,
            sentence=reason.sentence,
            contribution=reason.contribution,
            evidence=reason.evidence,
        )


def _wrong_count(count: int) -> Fault:
    if count == 0:
        return invalid("items", f"must hold 1 to {ITEMS_MAX} items.")
    return Fault(
        kind=Kind.INVALID,
        reason="TOO_LARGE",
        message=f"items: holds {count}, the most is {ITEMS_MAX}; split the batch.",
        metadata={"limit": str(ITEMS_MAX)},
    )
