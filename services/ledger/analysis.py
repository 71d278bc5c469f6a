"""What a payment holds of its analysis: where it stands in the queue, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

# After so many attempts without an analysis a payment is parked.
ATTEMPTS_MAX: Final = 5


class AnalysisState(IntEnum):
    """Where an analysis stands; numbers of autopay.ledger.v1.AnalysisState."""

    NONE = 1
    QUEUED = 2
    LEASED = 3
    DONE = 4
    PARKED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """An advisory analysis, in the words of whoever made it; `confidence` is 0 to 1."""

    summary: str
    category: str
    anomaly_assessment: str
    recommended_action: str
    confidence: float
    model_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRecord:
    """A payment's place in the queue of analyses.

    Attributes:
        state: where it stands.
        queued_at_ms: when it was queued, milliseconds since the Unix epoch; 0 where that was not read.
        attempts: how often a worker took it.
        error: why the last attempt failed, empty where none did.
        result: the analysis, once it is done.
    """

    state: AnalysisState
    queued_at_ms: int
    attempts: int = 0
    error: str = ""
    result: Analysis | None = None


def queued(at_ms: int) -> AnalysisRecord:
    """Return the record of a payment that is queued now."""
    return AnalysisRecord(state=AnalysisState.QUEUED, queued_at_ms=at_ms)
