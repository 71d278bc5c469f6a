"""A ledger's figures in memory: made up, the same every time, and with everything a report can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from services.insight.report_model import Anomaly, Period, masked_account
from services.insight.report_ports import By, Group

SINCE: Final = datetime(2027, 1, 30, tzinfo=UTC)
UNTIL: Final = datetime(2027, 1, 31, tzinfo=UTC)
PERIOD: Final = Period(since_ms=int(SINCE.timestamp() * 1000), until_ms=int(UNTIL.timestamp() * 1000))
_STATUSES: Final = (
    ("EUR", "success", "low", 6_020),
    ("EUR", "failed", "low", 310),
    ("EUR", "refunded", "medium", 44),
    ("EUR", "disputed", "critical", 7),
    ("USD", "success", "low", 2_811),
    ("USD", "authorized", "high", 16),
    ("JPY", "success", "", 95),
)
_EXPONENTS: Final = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
_PLAIN: Final = "The amount is about 42 times what this sender usually pays."
_NASTY: Final = "<script>alert('1')</script> | *bold* ]]>"


class MemoryFigures:
    """Fits `Figures`."""

    def __init__(self, *, empty: bool = False, tidy: bool = False) -> None:
        """Hold something, or nothing; `tidy` without what only a test wants to see."""
        self._empty = empty
        self._tidy = tidy
        self.asked: list[tuple[Period, tuple[By, ...], int]] = []

    async def groups(self, period: Period, by: Sequence[By], *, most: int) -> Sequence[Group]:
        """Groups of the dimensions asked for."""
        self.asked.append((period, tuple(by), most))
        if self._empty:
            return ()
        share = 1 if period == PERIOD else 2
        span = next((each for each in by if each in {By.HOUR, By.DAY}), None)
        if By.STATUS in by:
            return [
                group(currency, part, status=status, risk_level=level, **at)
                for currency, status, level, count in _STATUSES
                for part, at in _spread(count // share, span)
            ]
        if span is not None:
            count = sum(count for *_, count in _STATUSES) // share
            return [group("EUR", part, **at) for part, at in _spread(count, span)]
        side = by[0].value
        return [group("EUR", 900, **{side: ""})] + [
            group("USD", 500 - 30 * place, **{side: f"ACC-{side.upper()}-{place}"}) for place in range(10)
        ]

    async def risky(self, period: Period, *, most: int) -> Sequence[Anomaly]:
        """Some, one of them hostile."""
        if self._empty:
            return ()
        return [
            Anomaly(
                source="autopay",
                tx_id="T-" + "0123456789" * 9 if place == 0 and not self._tidy else f"T-{place + 4211}",
                recorded_at_ms=PERIOD.since_ms + place * 3_600_000,
                level="critical" if place < 7 else "high",
                score=0.97 - place / 50,
                amount="48,210.55 EUR".replace(",", ""),
                sender=masked_account("ACC-SENDER-1"),
                receiver=masked_account("ACC-SHOP-7" if self._tidy else "<b>"),
                reasons=(_PLAIN if self._tidy else _NASTY, "Nothing is known of this sender's earlier payments.")[
                    : 1 + place % 2
                ],
            )
            for place in range(20)
        ]


def _spread(count: int, span: By | None) -> Iterator[tuple[int, dict[str, str]]]:
    """A count over the hours of the day, none in some of them; whole where it isn't asked for by time."""
    if span is None:
        yield count, {}
        return
    form = "%Y-%m-%dT%H:00:00Z" if span is By.HOUR else "%Y-%m-%d"
    left = count
    for hour in (*range(1, 5), *range(6, 21)):
        part = min(left, count * (hour + 3) // 300)
        left -= part
        yield part, {span.value: SINCE.replace(hour=hour).strftime(form)}
    yield left, {span.value: SINCE.replace(hour=21).strftime(form)}


def group(currency: str, count: int, **key: str) -> Group:
    """A group whose sums follow from its count."""
    return Group(
        key={"currency": currency, **key},
        exponent=_EXPONENTS[currency],
        count=count,
        amount=count * 4_211,
        captured=count * 4_000,
        refunded=count * 11,
    )
