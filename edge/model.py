"""The edge's own words: a verified delivery on its way in, and the answer on its way out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from msgspec import Struct

from edge.representations import Analysis, AnalysisState, Risk, Status


class Disposition(IntEnum):
    """What became of a delivery; numbers of autopay.ledger.v1.Disposition."""

    UNKNOWN = 0
    RECORDED = 1
    DUPLICATE = 2
    IGNORED = 3
    UNPROCESSABLE = 4
    CONFLICT = 5
    WAITING = 6
    DISMISSED = 7


class Outcome(IntEnum):
    """What the ledger did with an event; numbers of autopay.ledger.v1.Outcome."""

    UNKNOWN = 0
    CREATED = 1
    DUPLICATE = 2
    UPDATED = 3
    STALE = 4
    CONFLICT = 5


class Delivery(Struct, kw_only=True, gc=False):
    """A verified request. Times are milliseconds since the Unix epoch; `signed_at_ms` is 0 where nothing was signed."""

    delivery_id: str
    source: str
    provider: str
    body: bytes
    headers: tuple[tuple[str, bytes], ...]
    key_id: str
    received_at_ms: int
    signed_at_ms: int
    traceparent: str


class EventAnswer(Struct, kw_only=True, gc=False):
    """What became of one payment event."""

    tx_id: str
    event_id: str
    outcome: Outcome
    transaction_status: Status
    version: int
    conflict_field: str
    risk: Risk | None


class Answer(Struct, kw_only=True, gc=False):
    """What became of one delivery; only a durable one may be acknowledged."""

    disposition: Disposition
    durable: bool
    events: tuple[EventAnswer, ...]
    reason: str
    errors: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """Where a payment's analysis stands, and what it says once it is done."""

    state: AnalysisState
    analysis: Analysis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedReport:
    """A report as insight made it."""

    content: bytes
    media_type: str
