"""Amounts of every currency on one logarithmic scale: a sender's history survives a change of currency."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Final

# How many minor units make about one US dollar. Only the order of magnitude matters: a reading twice too high
# shifts every payment in that currency alike, by a third of the usual spread. Unlisted currencies count as
# 100.
_MINOR_UNITS_PER_DOLLAR: Final = {
    "AED": 370, "ARS": 100_000, "AUD": 150, "BDT": 12_000, "BHD": 380, "BIF": 2_900, "BRL": 550, "CAD": 140,
    "CHF": 85, "CLF": 250, "CLP": 950, "CNY": 720, "COP": 400_000, "CZK": 2_200, "DJF": 178, "DKK": 680,
    "EGP": 4_900, "EUR": 92, "GBP": 78, "GNF": 8_600, "HKD": 780, "HUF": 36_000, "IDR": 1_600_000,
    "ILS": 360, "INR": 8_400, "IQD": 1_310_000, "ISK": 138, "JOD": 710, "JPY": 150, "KES": 12_900,
    "KMF": 450, "KRW": 1_350, "KWD": 307, "KZT": 49_000, "LBP": 8_950_000, "LKR": 30_000, "LYD": 4_850,
    "MXN": 1_900, "MYR": 450, "NGN": 155_000, "NOK": 1_080, "NZD": 165, "OMR": 385, "PHP": 5_700,
    "PKR": 27_800, "PLN": 400, "PYG": 7_500, "RON": 460, "RSD": 10_800, "RUB": 9_000, "RWF": 1_350,
    "SAR": 375, "SEK": 1_050, "SGD": 134, "THB": 3_450, "TND": 3_120, "TRY": 3_400, "TWD": 3_200,
    "TZS": 265_000, "UAH": 4_100, "UGX": 3_700, "UYI": 1, "UYW": 250, "UZS": 1_280_000, "VND": 25_000,
    "VUV": 119, "XAF": 605, "XOF": 605, "XPF": 110, "ZAR": 1_820,
}  # fmt: skip
_DEFAULT: Final = log(100)
_OFFSETS: Final[Mapping[str, float]] = {currency: log(units) for currency, units in _MINOR_UNITS_PER_DOLLAR.items()}


def log_amount(minor_units: int, currency: str) -> float:
    """Return the natural logarithm of an amount in rough US dollars; `minor_units` must be > 0."""
    return log(minor_units) - _OFFSETS.get(currency, _DEFAULT)
