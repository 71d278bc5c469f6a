"""The port `AnalysisQueue` over LeaseAnalyses and CompleteAnalysis, and payments as they are explained."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Final

from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import payment_pb2, risk_pb2

from mesh.channel import call
from mesh.errors import Fault, Kind
from services.insight.advising import Recorded
from services.insight.explanation import Explanation, Outcome, Subject
from services.insight.model import Level, Reason, Risk
from services.insight.model_ports import Task

_CALL_S: Final = 3.0
_FAILURE_MAX: Final = 500


class LedgerWork:
    """The ledger's queue, for one worker."""

    def __init__(self, stub: ledger_pb2_grpc.LedgerServiceStub) -> None:
        """Call through `stub`."""
        self._stub = stub
        self._worker = f"insight {socket.gethostname()} {os.getpid()}"[:100]

    async def lease(self, *, tasks_max: int, lease_s: float, wait_s: float) -> Sequence[Task]:
        """Lease tasks.

        Raises:
            Fault: the ledger can't be reached.
        """
        request = ledger_pb2.LeaseAnalysesRequest(
            worker=self._worker, tasks_max=tasks_max, lease_ms=int(lease_s * 1000), wait_ms=int(wait_s * 1000)
        )
        response: ledger_pb2.LeaseAnalysesResponse = await call(
            self._stub.LeaseAnalyses, request, timeout_s=wait_s + _CALL_S
        )
        return [Task(subject=subject_of(task.transaction), token=task.lease_token) for task in response.tasks]

    async def complete(self, task: Task, outcome: Outcome) -> bool:
        """Store what came of a task; False where the lease is lost.

        Raises:
            Fault: whether it is stored is unknown.
        """
        subject = task.subject
        request = ledger_pb2.CompleteAnalysisRequest(
            name=ledger_pb2.TransactionName(source=subject.source, tx_id=subject.tx_id), lease_token=task.token
        )
        if isinstance(outcome, Explanation):
            request.analysis.CopyFrom(
                ledger_pb2.Analysis(
                    summary=outcome.summary,
                    category=outcome.category,
                    anomaly_assessment=outcome.anomaly_assessment,
                    recommended_action=outcome.recommended_action,
                    confidence=outcome.confidence,
                    model_version=outcome.model_version,
                )
            )
        else:
            request.failure = outcome.reason[:_FAILURE_MAX]
            request.final = outcome.final
        try:
            await call(self._stub.CompleteAnalysis, request, timeout_s=_CALL_S)
        except Fault as error:
            if error.kind is Kind.LOST_RACE:
                return False
            raise
        return True

    async def find(self, source: str, tx_id: str) -> Recorded:
        """Return one payment, in full.

        Raises:
            Fault: NOT_FOUND, or the ledger can't be reached.
        """
        request = ledger_pb2.GetTransactionRequest(source=source, tx_id=tx_id, view=ledger_pb2.TRANSACTION_VIEW_FULL)
        response: ledger_pb2.GetTransactionResponse = await call(self._stub.GetTransaction, request, timeout_s=_CALL_S)
        transaction = response.transaction
        analysis = _explanation(transaction.analysis) if transaction.HasField("analysis") else None
        return Recorded(subject=subject_of(transaction), analysis=analysis)

    async def oldest_queued_ms(self) -> int:
        """Return when the payment that waits longest was recorded, 0 for none.

        Raises:
            Fault: the ledger can't be reached.
        """
        selector = ledger_pb2.TransactionSelector(analysis_state=ledger_pb2.ANALYSIS_STATE_QUEUED)
        request = ledger_pb2.ListTransactionsRequest(selector=selector, ascending=True, page_size=1)
        response: ledger_pb2.ListTransactionsResponse = await call(
            self._stub.ListTransactions, request, timeout_s=_CALL_S
        )
        return response.transactions[0].recorded_at_ms if response.transactions else 0


def subject_of(transaction: ledger_pb2.Transaction) -> Subject:
    """Return a payment as it is explained."""
    amount = transaction.amount if transaction.HasField("amount") else None
    return Subject(
        source=transaction.source,
        tx_id=transaction.tx_id,
        minor_units=amount.minor_units if amount is not None else None,
        currency=amount.currency if amount is not None else "",
        exponent=amount.exponent if amount is not None else 0,
        sender=transaction.sender_account,
        receiver=transaction.receiver_account,
        status=_word(payment_pb2.PaymentStatus.Name(transaction.status), "PAYMENT_STATUS_"),
        events=tuple(_word(payment_pb2.EventKind.Name(each.event.kind), "EVENT_KIND_") for each in transaction.events),
        flags=tuple(_word(payment_pb2.PaymentFlag.Name(flag), "PAYMENT_FLAG_") for flag in transaction.flags),
        description=transaction.description,
        recorded_at_ms=transaction.recorded_at_ms,
        risk=risk_of(transaction.risk) if transaction.HasField("risk") else None,
    )


def _explanation(analysis: ledger_pb2.Analysis) -> Explanation:
    return Explanation(
        source="gemini",
        summary=analysis.summary,
        category=analysis.category,
        anomaly_assessment=analysis.anomaly_assessment,
        recommended_action=analysis.recommended_action,
        confidence=analysis.confidence,
        model_version=analysis.model_version,
    )


def risk_of(message: risk_pb2.Risk) -> Risk:
    """Return a stored risk."""
    return Risk(
        score=message.score,
        level=Level(message.level) if message.level else Level.LOW,
        reasons=tuple(
            Reason(
                code=reason.code,
                sentence=reason.sentence,
                contribution=reason.contribution,
                evidence=dict(reason.evidence),
            )
            for reason in message.reasons
        ),
        model_version=message.model_version,
    )


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
