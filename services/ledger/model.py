"""The ledger's own words: events, payments, deliveries, outcomes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Any, Final

from msgspec import Struct

from services.ledger.analysis import AnalysisRecord
from services.ledger.correction import Correction
from services.ledger.tally import Tally

AMOUNT_MAX: Final = 2**63 - 1


class EventKind(IntEnum):
    """What happened; numbers of autopay.type.v1.EventKind."""

    PENDING = 1
    AUTHORIZED = 2
    CAPTURED = 3
    FAILED = 4
    CANCELED = 5
    REFUNDED = 6
    REFUND_FAILED = 7
    CAPTURE_FAILED = 8
    DISPUTE_OPENED = 9
    DISPUTE_WON = 10
    DISPUTE_LOST = 11
    RETURNED = 12


class Status(IntEnum):
    """Where a payment stands; numbers of autopay.type.v1.PaymentStatus."""

    PENDING = 1
    FAILED = 2
    CANCELED = 3
    AUTHORIZED = 4
    SUCCESS = 5
    PARTIALLY_REFUNDED = 6
    REFUNDED = 7
    DISPUTED = 8
    RETURNED = 9


class Flag(IntEnum):
    """What a person should look at; numbers of autopay.type.v1.PaymentFlag."""

    OVER_REFUND = 1
    DUPLICATE_CAPTURE = 2


class Outcome(IntEnum):
    """What the ledger did with an event; numbers of autopay.ledger.v1.Outcome."""

    CREATED = 1
    DUPLICATE = 2
    UPDATED = 3
    STALE = 4
    CONFLICT = 5
    UNRESOLVED = 6


class Disposition(IntEnum):
    """What became of a delivery; numbers of autopay.ledger.v1.Disposition."""

    RECORDED = 1
    DUPLICATE = 2
    IGNORED = 3
    UNPROCESSABLE = 4
    CONFLICT = 5
    WAITING = 6
    DISMISSED = 7


class Failure(Enum):
    """Why one item of a batch was not recorded."""

    UNSTORABLE = "unstorable"
    NOT_DURABLE = "not_durable"
    CONTENDED = "contended"
    UNRESOLVED = "unresolved"
    AMBIGUOUS = "ambiguous"
    TOO_NEW = "too_new"


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One fact about one payment. Amounts are minor units of `currency`, times milliseconds since the Unix epoch.

    Without a `tx_id` it belongs to the payment of its source that has one of its `aliases`.

    `risk` is advisory and no part of the fact: it is stored with the payment, and two deliveries of one event may
    carry different ones. Nor is `dispute_reason`, a number of autopay.type.v1.DisputeReason: what was recorded before
    anybody told it is the same event.
    """

    tx_id: str
    event_id: str
    kind: EventKind
    object_id: str = ""
    amount: int | None = None
    currency: str = ""
    exponent: int = 0
    cumulative: bool = False
    amount_fixed: bool = False
    sender: str = ""
    receiver: str = ""
    time_ms: int = 0
    time_signed: bool = False
    description: str = ""
    aliases: tuple[str, ...] = ()
    content: bytes = b""
    dispute_reason: int = 0
    risk: Mapping[str, Any] | None = None
    correction: Correction | None = None

    @property
    def order(self) -> tuple[int, str]:
        """Where the event stands among its payment's: signed time first, then id; never arrival."""
        return (self.time_ms if self.time_signed else 0, self.event_id)


def content_id(content: bytes) -> str:
    """Return the id of an event that came without one: its facts' hash, so that their repeat is the same event."""
    return f"h-{content.hex()}"


def content_hash(  # noqa: PLR0917 - the columns of what is hashed, in order
    tx_id: str,
    kind: int,
    object_id: str,
    amount: int | None,
    currency: str,
    cumulative: bool,  # noqa: FBT001 - a column of the tuple that is hashed
    sender: str,
    receiver: str,
    description: str,
) -> bytes:
    """Return the 16-byte hash that identifies an event's facts.

    Times are no part of it: a native sender signs each attempt anew, and a retry of the same facts must be the same
    event. Fields are joined by NUL, which validated text can't contain.
    """
    text = f"{tx_id}\0{kind}\0{object_id}\0{amount}\0{currency}\0{cumulative:d}\0{sender}\0{receiver}\0{description}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


class StoredEvent(Struct, frozen=True, kw_only=True, gc=False):
    """An event as a payment holds it: with what was answered when it first came."""

    event: Event
    outcome: Outcome
    delivery: str
    delivery_id: str
    recorded_at_ms: int


class Totals(Struct, frozen=True, kw_only=True, gc=False):
    """Sums over a payment's events, in minor units."""

    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    disputed: int = 0


class Payment(Struct, frozen=True, kw_only=True, gc=False):
    """One payment: its events and what they fold to. `id` is `{source}:{tx_id}`.

    `events` are in the order of arrival; of those that were moved out of the document `spilled` holds the tally.
    """

    id: str
    source: str
    tx_id: str
    version: int
    status: Status
    totals: Totals
    flags: tuple[Flag, ...]
    amount: int | None
    amount_fixed: bool
    currency: str
    exponent: int
    sender: str
    receiver: str
    description: str
    aliases: tuple[str, ...]
    risk: Mapping[str, Any] | None
    recorded_at_ms: int
    updated_at_ms: int
    events: tuple[StoredEvent, ...]
    spilled: Tally | None = None
    analysis: AnalysisRecord | None = None


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """What arrived: exact bytes and what the edge knew about them. Times are milliseconds since the Unix epoch."""

    body: bytes
    provider: str
    headers: tuple[tuple[str, bytes], ...]
    key_id: str
    received_at_ms: int
    signed_at_ms: int
    traceparent: str


class Item(Struct, frozen=True, kw_only=True, gc=False):
    """One item of a Record batch: a delivery (or none), its events, and what to say of it when it has none."""

    delivery_id: str
    source: str
    delivery: Delivery | None
    events: tuple[Event, ...]
    disposition: Disposition | None = None
    detail: str = ""
    traceparent: str = ""


class EventOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """What the ledger did with one event, and how the payment stands after it; unresolved there is none."""

    tx_id: str
    event_id: str
    outcome: Outcome
    status: Status | None
    version: int
    risk: Mapping[str, Any] | None
    conflict_field: str = ""


class ItemResult(Struct, frozen=True, kw_only=True, gc=False):
    """What became of one item: a durable disposition, or a failure."""

    disposition: Disposition | None
    events: tuple[EventOutcome, ...] = ()
    failure: Failure | None = None
    field: str = ""


class NotDurable(Exception):  # noqa: N818 - a state of the world, not a bug
    """Whether the write happened is unknown, or it is not yet durable; nothing may be acknowledged."""


class Unstorable(Exception):  # noqa: N818 - a property of the item
    """The item can't be encoded, whatever is retried; names the field."""

    def __init__(self, field: str) -> None:
        """Name the field."""
        super().__init__(f"{field} can't be stored")
        self.field = field
