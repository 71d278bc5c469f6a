"""Calls over the queue of analyses, as tests make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autopay.ledger.v1 import ledger_pb2

from mesh.channel import call
from tests.ledgers import TIMEOUT_S, RunningLedger

QUEUED, LEASED = ledger_pb2.ANALYSIS_STATE_QUEUED, ledger_pb2.ANALYSIS_STATE_LEASED
DONE, PARKED = ledger_pb2.ANALYSIS_STATE_DONE, ledger_pb2.ANALYSIS_STATE_PARKED
ANALYSIS = ledger_pb2.Analysis(
    summary="Ordinary.",
    category="retail",
    anomaly_assessment="$none",
    recommended_action="none",
    confidence=0.75,
    model_version="m-1",
)


async def lease(ledger: RunningLedger, **fields: Any) -> Sequence[ledger_pb2.AnalysisTask]:
    """Lease tasks."""
    request = ledger_pb2.LeaseAnalysesRequest(**{"worker": "$tests", "tasks_max": 10, "lease_ms": 5_000, **fields})
    response: ledger_pb2.LeaseAnalysesResponse = await call(ledger.stub.LeaseAnalyses, request, timeout_s=TIMEOUT_S)
    return response.tasks


async def complete(ledger: RunningLedger, task: ledger_pb2.AnalysisTask, failure: str = "", token: str = "") -> int:
    """Complete a task, with an analysis unless a failure is given, and return where it stands then."""
    name = ledger_pb2.TransactionName(source=task.transaction.source, tx_id=task.transaction.tx_id)
    request = ledger_pb2.CompleteAnalysisRequest(name=name, lease_token=token or task.lease_token)
    if failure:
        request.failure = failure
    else:
        request.analysis.CopyFrom(ANALYSIS)
    response: ledger_pb2.CompleteAnalysisResponse = await call(
        ledger.stub.CompleteAnalysis, request, timeout_s=TIMEOUT_S
    )
    return response.state


async def full(ledger: RunningLedger, tx_id: str) -> ledger_pb2.Transaction:
    """A payment in full."""
    request = ledger_pb2.GetTransactionRequest(source="autopay", tx_id=tx_id, view=ledger_pb2.TRANSACTION_VIEW_FULL)
    response: ledger_pb2.GetTransactionResponse = await call(ledger.stub.GetTransaction, request, timeout_s=TIMEOUT_S)
    return response.transaction


async def let_pass(ledger: RunningLedger, tx_id: str, minutes: int = 30) -> None:
    """Move what the queue waits for into the past, as if so long had passed on the server."""
    earlier = {"$dateSubtract": {"startDate": "$analysis.due", "unit": "minute", "amount": minutes}}
    result = await ledger.database["transactions"].update_one(
        {"_id": f"autopay:{tx_id}", "analysis.due": {"$exists": True}}, [{"$set": {"analysis.due": earlier}}]
    )
    assert result.matched_count == 1
