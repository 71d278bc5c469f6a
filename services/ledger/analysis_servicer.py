"""LedgerService's queue of analyses: proto ⇄ domain, no decisions."""

from __future__ import annotations

import re
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from mesh.errors import invalid
from services.ledger import read_requests as rules
from services.ledger.adapters.payment_messages import transaction_message
from services.ledger.analysing import Analysing
from services.ledger.analysis import Analysis
from services.ledger.auditing import Action, Auditor

_TASKS_MAX: Final = 50
_LEASE_MS_MIN: Final = 5_000
_LEASE_MS_MAX: Final = 300_000
_WAIT_MS_MAX: Final = 30_000
_WORKER_MAX: Final = 100
_TEXT_MAX: Final = 500
_WORD_MAX: Final = 50

_token = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch

Context = grpc.aio.ServicerContext[Any, Any]


class AnalysisServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The RPCs of the queue."""

    def __init__(self, analysing: Analysing, auditor: Auditor) -> None:
        """Lease and complete through `analysing`; `auditor` notes what is handed out in full."""
        self._analysing = analysing
        self._auditor = auditor

    async def LeaseAnalyses(
        self, request: ledger_pb2.LeaseAnalysesRequest, context: Context
    ) -> ledger_pb2.LeaseAnalysesResponse:
        """Hand out payments to analyse."""
        del context
        _check_text(request.worker, _WORKER_MAX, "worker", least=1)
        rules.check_range(request.tasks_max, 1, _TASKS_MAX, "tasks_max")
        rules.check_range(request.lease_ms, _LEASE_MS_MIN, _LEASE_MS_MAX, "lease_ms")
        rules.check_range(request.wait_ms, 0, _WAIT_MS_MAX, "wait_ms")
        leased = await self._analysing.lease(
            worker=request.worker,
            count_max=request.tasks_max,
            lease_ms=request.lease_ms,
            wait_s=request.wait_ms / 1000,
        )
        if leased.tasks:
            # Where this fails, they are handed out again when the lease has ended.
            ids = [task.found.payment.id for task in leased.tasks]
            await self._auditor.note(Action.READ_TRANSACTION, ids, worker=request.worker)
        return ledger_pb2.LeaseAnalysesResponse(
            tasks=[
                ledger_pb2.AnalysisTask(
                    transaction=transaction_message(task.found, full=True),
                    lease_token=leased.token,
                    lease_until_ms=task.until_ms,
                    attempt=task.attempt,
                )
                for task in leased.tasks
            ]
        )

    async def CompleteAnalysis(
        self, request: ledger_pb2.CompleteAnalysisRequest, context: Context
    ) -> ledger_pb2.CompleteAnalysisResponse:
        """End one task."""
        del context
        rules.check_name(request.name.source, request.name.tx_id, "name.")
        if _token(request.lease_token) is None:
            raise invalid("lease_token", "must be the token of a task")
        state = await self._analysing.complete(
            request.name.source, request.name.tx_id, request.lease_token, _result(request), final=request.final
        )
        return ledger_pb2.CompleteAnalysisResponse(state=state)  # type: ignore[arg-type]  # the numbers are the same


def _result(request: ledger_pb2.CompleteAnalysisRequest) -> Analysis | str:
    which = request.WhichOneof("result")
    if which is None:
        raise invalid("result", "must be an analysis or a failure")
    if which == "failure":
        _check_text(request.failure, _TEXT_MAX, "failure", least=1)
        return request.failure
    message = request.analysis
    _check_text(message.summary, _TEXT_MAX, "analysis.summary", least=1)
    _check_text(message.category, _WORD_MAX, "analysis.category")
    _check_text(message.anomaly_assessment, _TEXT_MAX, "analysis.anomaly_assessment")
    _check_text(message.recommended_action, _WORD_MAX, "analysis.recommended_action")
    _check_text(message.model_version, _WORD_MAX, "analysis.model_version")
    if not 0 <= message.confidence <= 1:
        raise invalid("analysis.confidence", "must be 0 to 1")
    return Analysis(
        summary=message.summary,
        category=message.category,
        anomaly_assessment=message.anomaly_assessment,
        recommended_action=message.recommended_action,
        confidence=message.confidence,
        model_version=message.model_version,
    )


def _check_text(text: str, most: int, field: str, *, least: int = 0) -> None:
    if len(text.strip()) < least or len(text) > most or "\0" in text:
        raise invalid(field, f"must be {least} to {most} characters without NUL")
