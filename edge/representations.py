"""What the HTTP API answers, as types: handlers build them, the OpenAPI document is made of them.

Typed dictionaries cost nothing when a body is built. Money is a decimal string of major units, times are ISO 8601, UTC.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

Status = Literal[
    "unspecified", "pending", "failed", "canceled", "authorized", "success", "partially_refunded", "refunded",
    "disputed", "returned",
]  # fmt: skip
Level = Literal["unspecified", "low", "medium", "high", "critical"]
Flag = Literal["unspecified", "over_refund", "duplicate_capture"]
Acknowledged = Literal["processed", "updated", "stale", "already_processed", "ignored", "waiting", "dismissed"]
AnalysisState = Literal["unspecified", "none", "queued", "leased", "done", "parked"]

DecimalText = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="Exact, in major units.")]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class RiskReason(TypedDict):
    """One ground for a score."""

    code: Annotated[str, Field(description="Stable, for machines.")]
    sentence: Annotated[str, Field(description="For people.")]
    contribution: Annotated[float, Field(description="How much it added to the score.")]
    evidence: Annotated[dict[str, str], Field(description="The figures behind the sentence.")]


class Risk(TypedDict):
    """What was known about a payment when it was scored. Advisory."""

    score: Annotated[float, Field(ge=0, le=1)]
    level: Level
    reasons: Annotated[list[RiskReason], Field(description="The weightiest first.")]


class Totals(TypedDict):
    """The sums over a payment's events."""

    authorized: DecimalText
    captured: DecimalText
    refunded: DecimalText
    disputed: DecimalText


class Payment(TypedDict):
    """A payment as the ledger has it."""

    source: Annotated[str, Field(description="The integration it came by; a namespace of ids.")]
    tx_id: str
    version: Annotated[int, Field(ge=1, description="Grows by one with every change.")]
    status: Status
    amount: DecimalText | None
    currency: Annotated[str | None, Field(description="ISO 4217.")]
    sender_account: str | None
    receiver_account: str | None
    totals: Totals
    flags: Annotated[list[Flag], Field(description="What a person should look at.")]
    aliases: Annotated[list[str], Field(description="Other ids of the payment.")]
    risk: Risk | None
    event_count: int
    analysis_state: AnalysisState
    recorded_at: Moment
    updated_at: Moment


class Event(TypedDict):
    """One fact about a payment, as it was recorded."""

    event_id: str
    kind: str
    object_id: str | None
    amount: DecimalText | None
    currency: str | None
    basis: Literal["delta", "cumulative"]
    event_time: Moment | None
    event_time_signed: bool
    dispute_reason: Annotated[str | None, Field(description="Why it is disputed, where the provider says so.")]
    outcome: str
    delivery: Annotated[str | None, Field(description="source:sha256 of the delivery that brought it first.")]
    recorded_at: Moment
    corrected_by: Annotated[str | None, Field(description="Who accepted it against what was recorded before.")]


class Analysis(TypedDict):
    """An advisory analysis of a payment."""

    summary: str
    category: str
    anomaly_assessment: str
    recommended_action: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    model_version: str


class FullPayment(Payment):
    """A payment with its single events. Reading it is audited."""

    description: str | None
    events: Annotated[list[Event], Field(description="By signed time, then id; of more than 1,000 not all.")]
    analysis: Analysis | None
    analysis_error: str | None


class PaymentPage(TypedDict):
    """One page of payments."""

    transactions: list[Payment]
    cursor: Annotated[
        str | None, Field(description="Of the next page, null after the last. A page may be short, or empty.")
    ]
    next: Annotated[str | None, Field(description="The next page's path and query, as the Link header has it.")]


class NativeDelivery(TypedDict):
    """What a native sender sends: one event of one payment. Headers or fields sign it."""

    tx_id: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,100}$")]
    amount: Annotated[str | float, Field(description="Greater than 0, in major units; text keeps every digit.")]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217.")]
    sender_account: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,50}$")]
    receiver_account: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,50}$", description="Not the sender's.")]
    status: NotRequired[Annotated[str, Field(description="What happened; captured, where left out.")]]
    event_id: NotRequired[Annotated[str, Field(description="Names the event; needed for refunds and disputes.")]]
    object_id: NotRequired[Annotated[str, Field(description="The refund or dispute that the amount belongs to.")]]
    description: NotRequired[Annotated[str, Field(max_length=500)]]
    dispute_reason: NotRequired[Annotated[str, Field(description="Of a dispute: fraud, not_received and so on.")]]
    timestamp: NotRequired[Annotated[str | int, Field(description="When it happened, seconds since the Unix epoch.")]]


class Acknowledgement(TypedDict):
    """What a native sender is told once its delivery is durable."""

    status: Acknowledged
    source: str
    request_id: str
    trace_id: str
    tx_id: NotRequired[str]
    event_id: NotRequired[str]
    outcome: NotRequired[str]
    transaction_status: NotRequired[Status]
    version: NotRequired[int]
    risk: NotRequired[Risk | None]
    analysis: NotRequired[Annotated[Analysis | None, Field(description="With `Prefer: wait=N`, once it is done.")]]
    analysis_state: NotRequired[AnalysisState]


class FieldError(TypedDict):
    """One wrong field."""

    field: str
    description: str


class Problem(TypedDict):
    """An error, by RFC 9457. Switch on `reason`; texts change."""

    type: str
    title: str
    status: int
    detail: str
    reason: str
    request_id: str
    trace_id: str
    errors: NotRequired[list[FieldError]]
    conflict_field: NotRequired[str]
    sources: NotRequired[Annotated[list[str], Field(description="Who knows the id, where several do.")]]


class Dependency(TypedDict):
    """One thing the edge needs, as it was a moment ago."""

    name: str
    state: Annotated[
        Literal["up", "down", "unknown"], Field(description="`unknown`: nobody reports it, or who would is down.")
    ]
    reported_by: Annotated[str | None, Field(description="Who says so, where the edge doesn't call it itself.")]
    latency_ms: Annotated[float | None, Field(description="Of the check just made.")]
    last_success: Annotated[Moment | None, Field(description="The last check that found it up, of this worker.")]
    needed: Annotated[bool, Field(description="Whether webhooks are refused without it.")]


class Health(TypedDict):
    """How the edge and what is behind it are. 503 where something needed is down."""

    status: Annotated[
        Literal["ok", "degraded", "down"], Field(description="`degraded`: webhooks are taken all the same.")
    ]
    dependencies: list[Dependency]
    checked_at: Moment


class ErrorWindow(TypedDict):
    """The errors of a stretch of time that ends now."""

    total: int
    by_reason: Annotated[dict[str, int], Field(description="The most frequent first.")]


class Incident(TypedDict):
    """One answer that was an error. Nothing in it was sent from outside."""

    at: Moment
    reason: str
    status: int
    where: Annotated[str, Field(description="The source, or the route.")]
    request_id: str
    trace_id: str


class Errors(TypedDict):
    """What went wrong lately."""

    scope: Annotated[
        Literal["every replica", "this replica"],
        Field(description="Every replica where EDGE_LIMIT_STORAGE is a Redis that answers."),
    ]
    windows: Annotated[dict[str, ErrorWindow], Field(description="`5m`, `1h` and `24h`.")]
    recent: Annotated[list[Incident], Field(description="The latest 50, the newest first.")]
    checked_at: Moment


class Index(TypedDict):
    """What is served here."""

    name: str
    about: str
    webhooks: list[str]
    reads: list[str]
    documents: list[str]


class ReportVolume(TypedDict):
    """Payments in one currency."""

    currency: str
    count: int
    amount: DecimalText
    captured: DecimalText
    refunded: DecimalText
    paid: Annotated[int, Field(description="Captured, whatever came after.")]
    decided: Annotated[int, Field(description="Captured, failed or canceled.")]


class ReportTotals(TypedDict):
    """The counts of a period."""

    count: int
    success_percent: float | None
    volumes: list[ReportVolume]


class ReportAccount(TypedDict):
    """A masked account, and what it paid or was paid in one currency."""

    account: str
    currency: str
    count: int
    amount: DecimalText


class ReportSlot(TypedDict):
    """An hour or a day, UTC."""

    start: str
    count: int


class ReportAnomaly(TypedDict):
    """A payment of high or critical risk."""

    source: str
    tx_id: str
    recorded_at: Moment
    level: Literal["high", "critical"]
    score: Annotated[float, Field(ge=0, le=1)]
    amount: Annotated[str, Field(description="With its currency.")]
    sender: str
    receiver: str
    reasons: list[str]


class ReportNarrative(TypedDict):
    """The report in words; every number in them is one of its figures."""

    author: Annotated[str, Field(description='"rules", or the version of a model.')]
    sentences: list[str]


class DailyReport(TypedDict):
    """What was paid from since to before until, beside the period of the same length before."""

    since: Moment
    until: Moment
    made_at: Moment
    now: ReportTotals
    before: ReportTotals
    statuses: dict[str, int]
    risk_levels: dict[str, int]
    senders: list[ReportAccount]
    receivers: list[ReportAccount]
    slots: list[ReportSlot]
    anomaly_count: int
    anomalies: Annotated[list[ReportAnomaly], Field(description="The gravest and newest of them, at most 20.")]
    narrative: ReportNarrative
