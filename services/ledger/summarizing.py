"""Counts and exact sums of payments, by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from mesh.errors import Fault, Kind
from services.ledger.model import AMOUNT_MAX
from services.ledger.read_ports import ANY_PAYMENT, PaymentFilter

RANGE_DAYS_MAX: Final = 366
GROUPS_MAX: Final = 10_000
GROUPS_DEFAULT: Final = 1_000
DIMENSIONS_MAX: Final = 3


class Dimension(IntEnum):
    """What payments are grouped by; numbers of autopay.ledger.v1.SummaryGroup."""

    CURRENCY = 1
    STATUS = 2
    SOURCE = 3
    HOUR = 4
    DAY = 5
    SENDER = 6
    RECEIVER = 7
    RISK_LEVEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryQuery:
    """What is summed up: payments first recorded from `since_ms` to before `until_ms` (ms since the Unix epoch).

    The currency is a dimension always: amounts of different ones are never added.
    """

    since_ms: int
    until_ms: int
    by: tuple[Dimension, ...]
    wanted: PaymentFilter = ANY_PAYMENT
    groups_max: int = GROUPS_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """One group. Sums are exact, in minor units; `key` has the group's value for each dimension."""

    key: Mapping[Dimension, str]
    exponent: int
    count: int
    amount: int
    authorized: int
    captured: int
    refunded: int
    disputed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The groups, the largest counts first; `truncated` where there were more than asked for."""

    rows: Sequence[SummaryRow]
    truncated: bool


class Summaries(Protocol):
    """Sums in storage."""

    async def sum_up(self, query: SummaryQuery, *, rows_max: int) -> Sequence[SummaryRow]:
        """Return the groups with the largest counts, at most so many.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached, or it takes too long.
        """


class Summarizer:
    """Sums up payments."""

    def __init__(self, summaries: Summaries) -> None:
        """Have `summaries` add."""
        self._summaries = summaries

    async def summarize(self, query: SummaryQuery) -> Summary:
        """Return counts and sums by group.

        Raises:
            Fault: OUT_OF_RANGE, a sum leaves int64; UNAVAILABLE, storage can't be reached, or it takes too long.
        """
        rows = await self._summaries.sum_up(query, rows_max=query.groups_max + 1)
        kept = rows[: query.groups_max]
        for row in kept:
            if max(row.amount, row.authorized, row.captured, row.refunded, row.disputed) > AMOUNT_MAX:
                raise _too_much(row)
        return Summary(rows=kept, truncated=len(rows) > len(kept))


def _too_much(row: SummaryRow) -> Fault:
    return Fault(
        kind=Kind.OUT_OF_RANGE,
        reason="TOO_LARGE",
        message="A sum does not fit into 64 bits; ask for a shorter range of time or more groups.",
        metadata={"limit": str(AMOUNT_MAX), "currency": row.key.get(Dimension.CURRENCY, "")},
    )
