"""Exact money: decimals of major units to the wire's minor units and back, never through a float."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

from autopay.type.v1 import money_pb2

# ISO 4217's currencies whose minor unit isn't the hundredth; a test compares them with the standard's table.
_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_CODE_LETTERS: Final = 3
_MINOR_UNITS_MAX: Final = 2**63 - 1
# More digits than any amount has, so that nothing is ever rounded without being noticed.
_EXACT: Final = Context(prec=60, traps=[Inexact, InvalidOperation])

Amount = Decimal | int | str


def money(amount: Amount, currency: str) -> money_pb2.Money:
    """Return an amount of major units as the API's message; "42.50" of EUR is 4,250 minor units.

    Args:
        amount: a decimal, a whole number, or their text. Floats are refused: 0.1 is none of them.
        currency: the ISO 4217 code, three capital letters.

    Raises:
        TypeError: the amount is a float, or something else.
        ValueError: it is no number, has more decimals than the currency, or does not fit; or the code isn't one.
    """
    exponent = exponent_of(currency)
    minor_units = _decimal(amount).scaleb(exponent, _EXACT)
    if minor_units != minor_units.to_integral_value():
        raise ValueError(f"{amount} has more than the {exponent} decimals of {currency}")
    if abs(minor_units) > _MINOR_UNITS_MAX:
        raise ValueError(f"{amount} {currency} is more than the API holds (2^63 - 1 minor units)")
    return money_pb2.Money(minor_units=int(minor_units), currency=currency, exponent=exponent)


def decimal_of(value: money_pb2.Money) -> Decimal:
    """Return an amount in major units, with exactly the currency's decimals: Decimal("42.50")."""
    return Decimal(value.minor_units).scaleb(-value.exponent, _EXACT)


def exponent_of(currency: str) -> int:
    """Return the number of a currency's decimals by ISO 4217; 2 for codes not known to be different.

    Raises:
        ValueError: it can't be a currency's code. Whether it is one, the ledger decides.
    """
    if not (len(currency) == _CODE_LETTERS and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise ValueError(f"a currency is an ISO 4217 code, three capital letters, not {currency!r}")
    return next((exponent for exponent, codes in _CODES_BY_EXPONENT.items() if currency in codes), 2)


def _decimal(amount: Amount) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, (Decimal, int, str)):
        raise TypeError(f"an amount is a Decimal, an int or their text, not a {type(amount).__name__}")
    try:
        exact = _EXACT.create_decimal(amount)
    except (InvalidOperation, Inexact):
        raise ValueError(f"{amount!r} is not a decimal number of at most {_EXACT.prec} digits") from None
    if not exact.is_finite():
        raise ValueError(f"{amount!r} is not a finite number")
    return exact
