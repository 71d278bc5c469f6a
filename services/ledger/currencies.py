"""ISO 4217: which currencies have minor units, and how many decimals."""

from __future__ import annotations

from functools import cache

from iso4217 import Currency


@cache
def _exponents() -> dict[str, int]:
    return {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


def exponent_of(code: str) -> int | None:
    """Return a currency's number of decimals, None for what is no currency or has no minor units (gold, XXX)."""
    return _exponents().get(code)
