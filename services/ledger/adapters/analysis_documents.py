"""Analyses as part of their payments' BSON documents, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bson import DatetimeMS

from services.ledger.analysis import Analysis, AnalysisRecord, AnalysisState

STATES: Final = {state: state.name.lower() for state in AnalysisState}


def of_queued(record: AnalysisRecord) -> dict[str, Any]:
    """Return what a payment's document holds of an analysis that nobody has taken yet."""
    at = DatetimeMS(record.queued_at_ms)
    return {"state": STATES[record.state], "queued_at": at, "due": at, "attempts": record.attempts}


def of_analysis(analysis: Analysis) -> dict[str, Any]:
    """Return an analysis as it is stored."""
    return {
        "summary": analysis.summary,
        "category": analysis.category,
        "anomaly_assessment": analysis.anomaly_assessment,
        "recommended_action": analysis.recommended_action,
        "confidence": analysis.confidence,
        "model_version": analysis.model_version,
    }


def to_analysis(document: Mapping[str, Any]) -> AnalysisRecord:
    """Return what a document holds; what was not read is as if there were none."""
    result = document.get("result")
    return AnalysisRecord(
        state=AnalysisState[document["state"].upper()],
        queued_at_ms=int(document.get("queued_at", 0)),
        attempts=int(document.get("attempts", 0)),
        error=document.get("error", ""),
        result=Analysis(**result) if result is not None else None,
    )
