"""What reading and watching need of storage, and the values they speak in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from msgspec import Struct

from services.ledger.model import Event, Outcome, Payment, Status


class RiskLevel(IntEnum):
    """A risk score in words; numbers of autopay.type.v1.RiskLevel."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Facts(Struct, frozen=True, kw_only=True, gc=False):
    """What a filter looks at; `amount` is in minor units of `currency`, None while unknown."""

    source: str
    status: Status
    currency: str
    amount: int | None
    risk_level: RiskLevel | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """Which payments are wanted: every condition that is set holds. Amounts are minor units of `currency`."""

    source: str = ""
    status: Status | None = None
    currency: str = ""
    amount_min: int = 0
    amount_max: int = 0
    risk_level: RiskLevel | None = None

    def matches(self, facts: Facts) -> bool:
        """Return whether a payment with these facts is wanted."""
        if self.source and facts.source != self.source:
            return False
        if self.status is not None and facts.status is not self.status:
            return False
        if self.currency and facts.currency != self.currency:
            return False
        if self.risk_level is not None and facts.risk_level is not self.risk_level:
            return False
        if not self.amount_min and not self.amount_max:
            return True
        amount = facts.amount
        return amount is not None and self.amount_min <= amount and (not self.amount_max or amount <= self.amount_max)


ANY_PAYMENT = PaymentFilter()


class PaymentChange(Struct, frozen=True, kw_only=True, gc=False):
    """One change of one payment, as it is streamed.

    Attributes:
        position: where the stream stands after it; positions sort as text.
        source: the payment's source.
        tx_id: the payment's id within its source.
        version: the version this change made.
        facts: what filters look at, after this change.
        events: the events it added.
        outcome: that of the first event it added, None where it added none.
        recorded_at_ms: when the ledger recorded it, milliseconds since the Unix epoch.
        sender: the paying account, empty while unknown.
        receiver: the paid account, empty while unknown.
    """

    position: str
    source: str
    tx_id: str
    version: int
    facts: Facts
    events: tuple[Event, ...]
    outcome: Outcome | None
    recorded_at_ms: int
    sender: str
    receiver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Changes in order, and where the stream stands after them, which may be further than the last one."""

    changes: Sequence[PaymentChange]
    position: str


class ChangeCursor(Protocol):
    """An open stream of changes."""

    @property
    def position(self) -> str:
        """Where the stream stands: everything up to here was returned, or came before it was opened."""

    async def read(self) -> Batch:
        """Return what came, or after about a second of silence an empty batch with a newer position.

        Raises:
            FeedInterrupted: the stream broke; open another one after `position`.
            FeedLost: what comes after `position` is no longer kept.
        """

    async def close(self) -> None:
        """Free what the stream holds; never raises."""


class ChangeFeed(Protocol):
    """The changes of every payment, from any position that is still kept."""

    def check(self, position: str) -> None:
        """Make sure that a position can be one of this feed's, before it is compared with others.

        Raises:
            FeedUnknown: it can't.
        """

    async def now(self) -> str:
        """Return the position behind everything acknowledged so far; only once a stream was opened.

        Raises:
            FeedInterrupted: storage can't be reached now.
        """

    async def open(self, after: str | None) -> ChangeCursor:
        """Start a stream after a position, or, where it is None, a moment before now.

        Raises:
            FeedInterrupted: storage can't be reached now.
            FeedLost: what comes after the position is no longer kept.
            FeedUnknown: the position is none of this feed's.
        """


class FeedInterrupted(Exception):  # noqa: N818 - a state of the world, not a bug
    """The stream broke, or can't be opened now; it can be resumed."""


class FeedLost(Exception):  # noqa: N818 - a state of the world, not a bug
    """The history after a position is no longer kept."""


class FeedUnknown(Exception):  # noqa: N818 - a state of the world, not a bug
    """A position is none of this feed's."""


class SelectBy(IntEnum):
    """The conditions that an index answers."""

    EVERYTHING = 0
    SOURCE = 1
    SENDER = 2
    RECEIVER = 3
    STATUS = 4
    CURRENCY = 5
    RISK_LEVEL = 6
    ANALYSIS_STATE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKey:
    """Where a payment stands in a list: by when it was first recorded (ms since the Unix epoch), then by id."""

    recorded_at_ms: int
    id: str

    @property
    def order(self) -> tuple[int, str]:
        """The key as a pair that sorts."""
        return (self.recorded_at_ms, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A walk along one index.

    Attributes:
        by: the condition.
        value: its value; unused for EVERYTHING.
        since_ms: recorded at or after, 0 for no bound.
        until_ms: recorded before, 0 for no bound.
        ascending: oldest first.
        after: the row to start behind, None for the first.
        rows_max: the most rows returned.
    """

    by: SelectBy
    value: str | IntEnum
    since_ms: int
    until_ms: int
    ascending: bool
    after: RowKey | None
    rows_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A payment as read, without its events where they were not asked for; `event_count` counts them all."""

    payment: Payment
    event_count: int


class PaymentReads(Protocol):
    """Reads of payments that no fail-over can take back."""

    async def find(self, ids: Sequence[str], *, events: bool) -> Sequence[Found]:
        """Return the payments there are, in no particular order, with their events where wanted.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached now.
        """

    async def scan(self, scan: Scan) -> Sequence[Found]:
        """Return the next rows of a walk, without their events.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached now.
        """


def facts_of(payment: Payment) -> Facts:
    """Return what filters look at."""
    return Facts(
        source=payment.source,
        status=payment.status,
        currency=payment.currency,
        amount=payment.amount,
        risk_level=risk_level_of(payment.risk["level"] if payment.risk else None),
    )


def risk_level_of(name: object) -> RiskLevel | None:
    """Return the level stored under this name, None where there is none or it is unknown."""
    return _LEVELS.get(name) if isinstance(name, str) else None


_LEVELS = {level.name.lower(): level for level in RiskLevel}
