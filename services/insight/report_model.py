"""A report's figures: what was paid in a period, by whom, how it went, what stood out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.insight.explanation import decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `since_ms`, inclusive, to `until_ms`, exclusive, milliseconds since the Unix epoch."""

    since_ms: int
    until_ms: int

    @property
    def before(self) -> Period:
        """The period of the same length right before this one."""
        return Period(since_ms=2 * self.since_ms - self.until_ms, until_ms=self.since_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Payments in one currency; sums are exact, in minor units of `exponent` decimals.

    Attributes:
        count: all payments, whatever became of them.
        amount: the sum of their amounts.
        captured: what was taken.
        refunded: what was given back.
        paid: how many were captured, whatever came after.
        decided: how many were captured, failed or canceled.
    """

    currency: str
    exponent: int
    count: int
    amount: int
    captured: int
    refunded: int
    paid: int
    decided: int

    def major(self, minor_units: int) -> str:
        """Return one of the sums in major units, exactly."""
        return decimal(minor_units, self.exponent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account, masked, and what it paid or was paid in one currency."""

    name: str
    currency: str
    exponent: int
    count: int
    amount: int

    @property
    def major(self) -> str:
        """The amount in major units, exactly."""
        return decimal(self.amount, self.exponent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """An hour or a day, and how many payments were recorded in it; `start` like 2026-11-26T10:00Z or 2026-11-26."""

    start: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A risky payment, with the detector's reasons."""

    source: str
    tx_id: str
    recorded_at_ms: int
    level: str
    score: float
    amount: str
    sender: str
    receiver: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The counts of one period."""

    count: int
    paid: int
    decided: int
    volumes: Sequence[Volume]

    @property
    def success_percent(self) -> float | None:
        """The share of decided payments that were paid, in percent to one decimal; None without one."""
        return round(100 * self.paid / self.decided, 1) if self.decided else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrative:
    """Sentences about the figures, and who wrote them."""

    sentences: tuple[str, ...]
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a report shows.

    Attributes:
        period: what it is about.
        made_at_ms: when it was made, milliseconds since the Unix epoch.
        now: its counts.
        before: those of the period before.
        statuses: payments by status, the most first.
        levels: payments by risk level, "unscored" among them, the gravest first.
        senders: those who paid most often.
        receivers: those who were paid most often.
        slots: payments by hour, or by day in a longer period, none left out.
        anomalies: the newest of the risky ones.
        anomaly_count: how many risky ones there are.
        narrative: what it amounts to in words.
    """

    period: Period
    made_at_ms: int
    now: Totals
    before: Totals
    statuses: Sequence[tuple[str, int]]
    levels: Sequence[tuple[str, int]]
    senders: Sequence[Account]
    receivers: Sequence[Account]
    slots: Sequence[Slot]
    anomalies: Sequence[Anomaly]
    anomaly_count: int
    narrative: Narrative


def masked_account(account: str) -> str:
    """Return an account with its middle left out; a short one shows its first character alone."""
    if not account:
        return "unknown"
    return f"{account[:2]}…{account[-2:]}" if len(account) > 6 else f"{account[0]}…"  # noqa: PLR2004 - see above


def change_percent(now: int, before: int) -> float | None:
    """Return by how many percent `now` is above `before`, to one decimal; None where there was nothing before."""
    return round(100 * (now - before) / before, 1) if before else None


def spaced(amount: str) -> str:
    """Return an amount in major units with its thousands apart, for example "1,234.50 EUR"."""
    whole, dot, rest = amount.partition(".")
    if not dot:
        whole, dot, rest = amount.partition(" ")
    return f"{int(whole):,}{dot}{rest}" if whole.isdigit() else amount
