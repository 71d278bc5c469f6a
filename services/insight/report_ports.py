"""What reports need of the ledger, of whoever tells them in words, and of storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from services.insight.report_model import Anomaly, Narrative, Period, Report


class By(Enum):
    """What payments are grouped by, besides their currency."""

    STATUS = "status"
    RISK_LEVEL = "risk_level"
    HOUR = "hour"
    DAY = "day"
    SENDER = "sender"
    RECEIVER = "receiver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group: its value by dimension, "currency" among them; sums in minor units."""

    key: Mapping[str, str]
    exponent: int
    count: int
    amount: int
    captured: int
    refunded: int


class Figures(Protocol):
    """The ledger's figures. Every method raises Fault where they can't be had."""

    async def groups(self, period: Period, by: Sequence[By], *, most: int) -> Sequence[Group]:
        """Return the groups with the largest counts, at most so many."""

    async def risky(self, period: Period, *, most: int) -> Sequence[Anomaly]:
        """Return payments of critical and of high risk, the gravest level first, of each level the newest first."""


class Narrator(Protocol):
    """Tells a report in words."""

    async def narrate(self, report: Report) -> Narrative | None:
        """Return sentences, or None where there are none now. What they claim is checked by who asks."""


class StoredReports(Protocol):
    """Reports that were made on time, each once."""

    async def claim(self, name: str) -> bool:
        """Take on to make the report of this name, for some minutes; False where it is made or another one makes it.

        Raises:
            StoreDown: nobody knows.
        """

    async def store(self, name: str, renderings: Mapping[str, bytes]) -> None:
        """Keep a claimed report, by format.

        Raises:
            StoreDown: whether it is kept is unknown; storing it again is harmless.
        """

    async def latest(self) -> Mapping[str, bytes] | None:
        """Return the newest stored report by format, None where there is none.

        Raises:
            StoreDown: nobody knows.
        """
