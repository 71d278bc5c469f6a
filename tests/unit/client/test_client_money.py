"""The client's exact money."""

from __future__ import annotations

from decimal import Decimal

import iso4217
import pytest
from autopay.type.v1 import money_pb2
from autopay_client import decimal_of, money
from autopay_client.money import exponent_of
from hypothesis import given
from hypothesis import strategies as st

CURRENCIES = {currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None}


@pytest.mark.parametrize(
    ("amount", "currency", "minor_units", "exponent"),
    [
        ("42.50", "EUR", 4_250, 2),
        (Decimal("0.001"), "KWD", 1, 3),
        (1_000, "JPY", 1_000, 0),
        ("1.5000", "CLF", 15_000, 4),
        ("10.0", "JPY", 10, 0),
        ("92233720368547758.07", "USD", 2**63 - 1, 2),
        ("1e3", "USD", 100_000, 2),
        ("-0.01", "USD", -1, 2),
    ],
)
def test_major_units_become_minor_units(amount: str, currency: str, minor_units: int, exponent: int) -> None:
    """An amount is scaled by its currency's decimals, exactly."""
    assert money(amount, currency) == money_pb2.Money(minor_units=minor_units, currency=currency, exponent=exponent)


@pytest.mark.parametrize(
    ("amount", "currency", "error", "words"),
    [
        (0.1, "EUR", TypeError, "float"),
        (True, "EUR", TypeError, "bool"),
        ("0.001", "EUR", ValueError, "decimals of EUR"),
        ("0.5", "JPY", ValueError, "decimals of JPY"),
        ("NaN", "EUR", ValueError, "finite"),
        ("Infinity", "EUR", ValueError, "finite"),
        ("12,50", "EUR", ValueError, "decimal number"),
        ("", "EUR", ValueError, "decimal number"),
        ("1" + "0" * 70 + ".01", "EUR", ValueError, "digits"),
        ("1e9999", "EUR", ValueError, "more than the API holds"),
        ("1e999999999", "EUR", ValueError, "digits"),
        ("92233720368547758.08", "EUR", ValueError, "more than the API holds"),
        ("1", "eur", ValueError, "ISO 4217"),
        ("1", "", ValueError, "ISO 4217"),
    ],
)
def test_what_is_not_an_exact_amount_is_refused(amount: str, currency: str, error: type[Exception], words: str) -> None:
    """Nothing is rounded, guessed or cut."""
    with pytest.raises(error, match=words):
        money(amount, currency)


def test_every_currency_has_its_decimals() -> None:
    """The client's short table says what ISO 4217's says."""
    assert {code: exponent_of(code) for code in CURRENCIES} == CURRENCIES


@given(minor_units=st.integers(-(2**63) + 1, 2**63 - 1), currency=st.sampled_from(sorted(CURRENCIES)))
def test_money_comes_back_as_it_went(minor_units: int, currency: str) -> None:
    """Decimal and Money say the same, for every amount the API holds."""
    value = money_pb2.Money(minor_units=minor_units, currency=currency, exponent=CURRENCIES[currency])
    assert money(decimal_of(value), currency) == value
    assert -decimal_of(value).as_tuple().exponent == CURRENCIES[currency]  # type: ignore[operator]
