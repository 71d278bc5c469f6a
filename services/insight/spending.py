"""Budgets: tokens per minute in this process, money per day over all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.insight.model_ports import Generated, Prompt, SpendBook
from services.insight.ports import Clock

_CHARACTERS_PER_TOKEN: Final = 3
_NANO_PER_MICRO: Final = 1_000

Today = Callable[[], str]


def utc_day() -> str:
    """Return the date in UTC, for example "2026-11-26"."""
    return datetime.now(UTC).date().isoformat()


def tokens_at_most(prompt: Prompt) -> int:
    """Return how many tokens a request may take, rather too many than too few: JSON has three characters to one."""
    characters = len(prompt.instruction) + len(prompt.data)
    return characters // _CHARACTERS_PER_TOKEN + prompt.output_tokens_max + 1


class TokenBudget:
    """A bucket that fills by `per_minute` tokens a minute; what a call needs more than is there is owed."""

    def __init__(self, per_minute: int, *, clock: Clock) -> None:
        """Begin with a full minute."""
        self._per_minute = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._at_s = clock()

    def take(self, tokens: int) -> None:
        """Take tokens, or give them back where the number is negative."""
        self._refill()
        self._level = min(self._level - tokens, float(self._per_minute))

    def wait_s(self) -> float:
        """Return how long until there is something again, 0 where there is."""
        self._refill()
        return max(0.0, (1.0 - self._level) * 60 / self._per_minute)

    def _refill(self) -> None:
        now_s = self._clock()
        self._level = min(self._level + (now_s - self._at_s) * self._per_minute / 60, float(self._per_minute))
        self._at_s = now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars per million tokens."""

    input_usd: float
    output_usd: float

    def nano_usd(self, input_tokens: int, output_tokens: int) -> int:
        """Return what tokens cost, in billionths of a dollar."""
        return round((input_tokens * self.input_usd + output_tokens * self.output_usd) * _NANO_PER_MICRO)


class DayBudget:
    """Keeps what all replicas spend on a day below a cap: reserved before a call, settled after it.

    A process that dies in between leaves its reservation standing: the cap errs to the safe side.
    """

    def __init__(self, book: SpendBook, *, usd_max: float, prices: Prices, today: Today = utc_day) -> None:
        """Write in `book`; `usd_max` dollars a day."""
        self._book = book
        self._most = round(usd_max * 1_000_000_000)
        self._prices = prices
        self._today = today

    async def is_open(self) -> bool:
        """Return whether anything is left of the day.

        Raises:
            StoreDown: nobody knows.
        """
        return await self._book.spent(self._today()) < self._most

    async def reserve(self, prompt: Prompt) -> Reservation | None:
        """Reserve the most that a request can cost, None where the day doesn't have it.

        Raises:
            StoreDown: nobody knows.
        """
        day, output = self._today(), prompt.output_tokens_max
        most = self._prices.nano_usd(tokens_at_most(prompt) - output, output)
        reserved = await self._book.reserve(day, most, most=self._most)
        return Reservation(day=day, nano_usd=most) if reserved else None

    async def settle(self, reservation: Reservation, generated: Generated | None) -> int:
        """Replace a reservation by what the answer cost, nothing where there was none; return that in nano dollars.

        Raises:
            StoreDown: the reservation may stand.
        """
        cost = self._prices.nano_usd(generated.input_tokens, generated.output_tokens) if generated else 0
        await self._book.settle(reservation.day, cost - reservation.nano_usd)
        return cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Money set aside on a day, in billionths of a dollar."""

    day: str
    nano_usd: int
