"""Exact amounts: from the digits as written to minor units of a currency, with no floating point anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import iso4217

MINOR_UNITS_MAX: Final = 2**63 - 1
# Decimals by ISO 4217. Metals, test codes and units of account have none and can't be paid in.
EXPONENTS: Final[Mapping[str, int]] = {
    currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None
}

_MINOR_DIGITS_MAX: Final = 19
_CHARACTERS_MAX: Final = 64
_DECIMAL: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")


class AmountError(ValueError):
    """An amount that can't be taken; the text says what it must be and never repeats it."""


def read(text: str) -> tuple[str, int]:
    """Return a positive decimal as (digits, power): its value is int(digits) × 10**power.

    Only text is handled here: however large the power is, nothing is computed with it.

    Raises:
        AmountError: not a decimal, too long, or not above zero.
    """
    if len(text) > _CHARACTERS_MAX:
        raise AmountError(f"must have at most {_CHARACTERS_MAX} characters")
    matched = _DECIMAL.fullmatch(text)
    if matched is None:
        raise AmountError('must be a number or a decimal string, for example "10.50"')
    sign, whole, fraction, power = matched.groups(default="")
    digits = (whole + fraction).lstrip("0")
    if sign or not digits:
        raise AmountError("must be greater than 0")
    return digits, (int(power) if power else 0) - len(fraction)


def to_minor_units(digits: str, power: int, exponent: int) -> int:
    """Return int(digits) × 10**power in units of 10**-exponent, exactly, 1 to 2**63 - 1.

    Raises:
        AmountError: more decimals than the currency has, or outside the range.
    """
    shift = exponent + power
    if shift < 0:
        if digits[shift:].strip("0"):
            raise AmountError(f"must have at most {exponent} decimals in this currency")
        digits = digits[:shift]
    elif len(digits) + shift <= _MINOR_DIGITS_MAX:
        digits += "0" * shift
    else:
        raise AmountError("must fit into 64 bits of minor units")
    minor_units = int(digits)
    if minor_units > MINOR_UNITS_MAX:
        raise AmountError("must fit into 64 bits of minor units")
    return minor_units
