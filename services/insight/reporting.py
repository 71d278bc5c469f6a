"""Makes a report of a period: figures from the ledger, words whose every number is one of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from services.insight.narrative import RulesNarrator, checked
from services.insight.report_model import Account, Narrative, Period, Report, Slot, Totals, Volume, masked_account
from services.insight.report_ports import By, Figures, Group, Narrator

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
# Beyond a week a bar per hour is too thin to read.
_HOURLY_MS_MAX: Final = 7 * DAY_MS
_TOP: Final = 10
_ANOMALIES_MAX: Final = 20
_GROUPS_MAX: Final = 10_000
_NARRATOR_S: Final = 4.0

# Captured, whatever came after; and what is decided without that.
_PAID: Final = frozenset({"success", "partially_refunded", "refunded", "disputed", "returned"})
_LOST: Final = frozenset({"failed", "canceled"})
_LEVELS: Final = ("critical", "high", "medium", "low", "")

Clock = Callable[[], float]


class Reporter:
    """Makes reports."""

    def __init__(self, figures: Figures, *, narrator: Narrator | None = None, clock: Clock = time.time) -> None:
        """Take figures from `figures`; have `narrator` tell them where there is one, else the rules."""
        self._figures = figures
        self._narrator = narrator
        self._rules = RulesNarrator()
        self._clock = clock

    async def report(self, period: Period) -> Report:
        """Return the report of a period.

        Raises:
            Fault: the ledger can't be read, or doesn't answer in time.
        """
        span = By.HOUR if period.until_ms - period.since_ms <= _HOURLY_MS_MAX else By.DAY
        figures = self._figures
        # Two at a time: more would only queue for the processors of the same database.
        (outcomes, spans), before = await asyncio.gather(
            self._outcomes(period, span), figures.groups(period.before, (By.STATUS,), most=_GROUPS_MAX)
        )
        anomalies = await figures.risky(period, most=_ANOMALIES_MAX)
        senders, receivers = await asyncio.gather(
            figures.groups(period, (By.SENDER,), most=_TOP + 1),
            figures.groups(period, (By.RECEIVER,), most=_TOP + 1),
        )
        levels = Counter[str]()
        statuses = Counter[str]()
        for group in outcomes:
            levels[group.key.get("risk_level", "")] += group.count
            statuses[group.key.get("status", "")] += group.count
        bare = Report(
            period=period,
            made_at_ms=int(self._clock() * 1000),
            now=totals_of(outcomes),
            before=totals_of(before),
            statuses=statuses.most_common(),
            levels=[(level or "unscored", levels[level]) for level in _LEVELS if levels[level]],
            senders=accounts_of(senders, "sender"),
            receivers=accounts_of(receivers, "receiver"),
            slots=slots_of(spans, period, span),
            anomalies=anomalies,
            anomaly_count=levels["critical"] + levels["high"],
            narrative=Narrative(sentences=(), author=""),
        )
        return replace(bare, narrative=await self._told(bare))

    async def _outcomes(self, period: Period, span: By) -> tuple[Sequence[Group], Sequence[Group]]:
        """Return groups by status and level, and groups by time: of one walk over the payments where they fit in it."""
        both = await self._figures.groups(period, (By.STATUS, By.RISK_LEVEL, span), most=_GROUPS_MAX)
        if len(both) < _GROUPS_MAX:
            return both, both
        return await asyncio.gather(
            self._figures.groups(period, (By.STATUS, By.RISK_LEVEL), most=_GROUPS_MAX),
            self._figures.groups(period, (span,), most=_GROUPS_MAX),
        )

    async def _told(self, report: Report) -> Narrative:
        if self._narrator is not None:
            try:
                async with asyncio.timeout(_NARRATOR_S):
                    told = await self._narrator.narrate(report)
            except TimeoutError:
                told = None
            if told is not None and (kept := checked(told, report)).sentences:
                return kept
        return checked(self._rules.tell(report), report)


def totals_of(groups: Sequence[Group]) -> Totals:
    """Return the counts and, by currency, the sums of groups by status; the currency with most payments first."""
    by_currency: dict[str, list[Group]] = {}
    for group in groups:
        by_currency.setdefault(group.key.get("currency", ""), []).append(group)
    volumes = [
        Volume(
            currency=currency or "unknown",
            exponent=max(group.exponent for group in members),
            count=sum(group.count for group in members),
            amount=sum(group.amount for group in members),
            captured=sum(group.captured for group in members),
            refunded=sum(group.refunded for group in members),
            paid=_count(members, _PAID),
            decided=_count(members, _PAID | _LOST),
        )
        for currency, members in by_currency.items()
    ]
    return Totals(
        count=sum(each.count for each in volumes),
        paid=sum(each.paid for each in volumes),
        decided=sum(each.decided for each in volumes),
        volumes=sorted(volumes, key=lambda each: (-each.count, each.currency)),
    )


def accounts_of(groups: Sequence[Group], side: str) -> Sequence[Account]:
    """Return the accounts on one side that are known, masked."""
    known = [group for group in groups if group.key.get(side)]
    return [
        Account(
            name=masked_account(group.key[side]),
            currency=group.key.get("currency", ""),
            exponent=group.exponent,
            count=group.count,
            amount=group.amount,
        )
        for group in known[:_TOP]
    ]


def slots_of(groups: Sequence[Group], period: Period, span: By) -> Sequence[Slot]:
    """Return every hour or day that the period touches, with its count over all currencies."""
    counts = Counter[str]()
    for group in groups:
        counts[group.key.get(span.value, "")] += group.count
    step = timedelta(hours=1) if span is By.HOUR else timedelta(days=1)
    at = datetime.fromtimestamp(period.since_ms / 1000, UTC).replace(minute=0, second=0, microsecond=0)
    if span is By.DAY:
        at = at.replace(hour=0)
    end = datetime.fromtimestamp(period.until_ms / 1000, UTC)
    slots = []
    while at < end:
        key = at.strftime("%Y-%m-%dT%H:00:00Z" if span is By.HOUR else "%Y-%m-%d")
        slots.append(Slot(start=at.strftime("%Y-%m-%d %H:00" if span is By.HOUR else "%Y-%m-%d"), count=counts[key]))
        at += step
    return slots


def _count(groups: Sequence[Group], statuses: frozenset[str]) -> int:
    return sum(group.count for group in groups if group.key.get("status") in statuses)
