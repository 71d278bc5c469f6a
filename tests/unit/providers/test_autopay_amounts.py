"""How the native provider takes amounts and currencies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.native_bodies import body_with, body_with_token, mapped, wrong


@pytest.mark.parametrize(
    ("token", "currency", "minor_units"),
    [
        ("10", "USD", 1000),
        ("10.5", "USD", 1050),
        ("10.50", "USD", 1050),
        ("10.000", "USD", 1000),
        ('"10.50"', "USD", 1050),
        ("0.01", "USD", 1),
        ("1", "JPY", 1),
        ("1.0", "JPY", 1),
        ("0.001", "KWD", 1),
        ("0.0001", "CLF", 1),
        ("1e3", "USD", 100_000),
        ("1.5E-1", "USD", 15),
        ("1050e-2", "USD", 1050),
        ("0.000000000000000000000000000001e30", "USD", 100),
        ("92233720368547758.07", "USD", 2**63 - 1),
        ("9223372036854775807", "JPY", 2**63 - 1),
        ("4503599627370497.29", "USD", 450_359_962_737_049_729),
    ],
)
def test_amounts_are_exact(token: str, currency: str, minor_units: int) -> None:
    """An amount is taken digit by digit as it was written; floating point never sees it."""
    body = body_with_token("amount", token).replace(b'"EUR"', f'"{currency}"'.encode())
    assert mapped(body).amount_minor == minor_units


@given(st.integers(1, 2**63 - 1))
def test_every_amount_that_fits_survives(minor_units: int) -> None:
    """Up to 64 bits of minor units, a number and a string mean the same and nothing is lost."""
    written = f"{minor_units // 100}.{minor_units % 100:02}"
    assert mapped(body_with_token("amount", written)).amount_minor == minor_units
    assert mapped(body_with(amount=written)).amount_minor == minor_units


@pytest.mark.parametrize(
    "token",
    [
        "0",
        "0.00",
        "-0",
        "-1",
        "-0.001",
        "10.001",
        "10.000000000000000001",
        "92233720368547758.08",
        "1e17",
        "1e400",
        "1E-400",
        "1e" + "9" * 50,
        "1e-" + "9" * 50,
        "9" * 5_000,
        "0." + "0" * 5_000 + "1",
        "true",
        "[]",
        "{}",
        '""',
        '" 10"',
        '"10 "',
        '"+10"',
        '"1_000"',
        '"1,000"',
        '"0x10"',
        '"007"',
        '".5"',
        '"5."',
        '"\uff11\uff10"',
        '"NaN"',
        '"Infinity"',
        '"10\\u0000"',
        '"\\ud800"',
        str(2**70),
    ],
)
def test_what_is_no_amount_is_refused(token: str) -> None:
    """Not positive, too precise, too large, or not a decimal: never rounded, never guessed, never computed with."""
    assert list(wrong(body_with_token("amount", token))) == ["amount"]


@pytest.mark.parametrize("amount", ["10.1", 0.001])
def test_decimals_depend_on_the_currency(amount: object) -> None:
    """A tenth of a yen does not exist; a thousandth of a dinar does."""
    assert list(wrong(body_with(amount=amount, currency="JPY"))) == ["amount"]
    assert mapped(body_with(amount=amount, currency="KWD")).exponent == 3


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "XXX", "XAU", "XTS", "ZZZ", 978, ["EUR"], {"EUR": 1}, "EUR\n"])
def test_what_is_no_currency_is_refused(currency: object) -> None:
    """Three capital letters that ISO 4217 lists with decimals: neither gold nor test codes."""
    assert list(wrong(body_with(currency=currency))) == ["currency"]
