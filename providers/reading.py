"""Reads a provider's JSON body: exact values by path, and every wrong field collected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from providers import money
from providers.contract import Unprocessable, Wrong
from providers.plain_text import clean
from providers.strict_json import MalformedError, NumberToken, parse_exact

Path = tuple[str | int, ...]

# What the ledger takes as a payment's id; ids of events and objects may be any printable text without spaces. It takes
# 200 characters of those: what a mapping continues an id with (":refunded") needs room.
_TX_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}").fullmatch
_ID: Final = re.compile(r"[!-~]{1,150}").fullmatch
_NUMBER_ID: Final = re.compile(r"[1-9][0-9]{0,29}").fullmatch
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_-]{1,50}").fullmatch
_ZERO: Final = re.compile(r"0(?:\.0{1,9})?").fullmatch
_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})").fullmatch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS_MAX: Final = 253_402_300_799_999
_DESCRIPTION_CHARACTERS_MAX: Final = 500
_AS_ISO: Final[Mapping[str, int]] = {}


class Reading:
    """One body, read by paths such as ("data", "object", "id"); a missing step reads as None."""

    __slots__ = ("root", "wrong")

    def __init__(self, body: bytes) -> None:
        """Parse the body.

        Raises:
            Unprocessable: it is no strict JSON object.
        """
        try:
            root = parse_exact(body)
        except MalformedError as error:
            raise Unprocessable([Wrong("body", str(error))]) from None
        if not isinstance(root, dict):
            raise Unprocessable([Wrong("body", "must be a JSON object")])
        self.root: Mapping[str, object] = root
        self.wrong: list[Wrong] = []

    def at(self, *path: str | int) -> object:
        """Return the value at a path, None where a step is missing."""
        value: object = self.root
        for step in path:
            if isinstance(step, str) and isinstance(value, dict):
                value = value.get(step)
            elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
                value = value[step]
            else:
                return None
        return value

    def text(self, *path: str | int) -> str:
        """Return the string at a path, empty where there is none."""
        value = self.at(*path)
        return value if type(value) is str else ""

    def refuse(self, path: Path, description: str) -> None:
        """Note a wrong field."""
        self.wrong.append(Wrong(".".join(map(str, path)), description))

    def tx_id(self, *path: str | int) -> str:
        """Return a payment's id that must be there, empty where it is wrong."""
        return self._required(path, _TX_ID, "must be 1 to 100 of A-Z, a-z, 0-9, _, ., : and -")

    def tx_id_of(self, text: str, path: Path) -> str:
        """Return a payment's id that was made of the text at a path, empty where it is wrong."""
        if _TX_ID(text) is None:
            self.refuse(path, "can't be made into an id of 1 to 100 of A-Z, a-z, 0-9, _, ., : and -")
            return ""
        return text

    def identifier(self, *path: str | int) -> str:
        """Return an id that must be there, empty where it is wrong."""
        return self._required(path, _ID, "must be 1 to 150 printable ASCII characters without spaces")

    def number_id(self, *path: str | int) -> str:
        """Return an id that is a whole number, written as such or as text, that must be there; empty where wrong."""
        value = self.at(*path)
        if isinstance(value, str) and _NUMBER_ID(value) is not None:
            return str(value)
        self.refuse(path, "is required" if value is None else "must be a whole number above 0 of at most 30 digits")
        return ""

    def account(self, *path: str | int) -> str:
        """Return an account that may be there; one that the ledger can't take is as good as none."""
        value = self.text(*path)
        return value if _ACCOUNT(value) is not None else ""

    def description(self, *path: str | int) -> str:
        """Return free text that may be there, without markup and cut to what the ledger takes."""
        try:
            return clean(self.text(*path))[:_DESCRIPTION_CHARACTERS_MAX]
        except ValueError:
            return ""

    def is_zero(self, *path: str | int) -> bool:
        """Tell whether an amount is written as nothing: 0, "0" or "0.00"."""
        value = self.at(*path)
        return isinstance(value, str) and _ZERO(value) is not None

    def check_mode(self, *path: str | int, stated_live: bool | None, expected_live: bool | None) -> None:
        """Refuse a test payment at a source for live ones, and the other way round; what is not stated passes."""
        if stated_live is not None and expected_live is not None and stated_live != expected_live:
            self.refuse(path, "must be of a live payment" if expected_live else "must be of a test payment")

    def minor_units(
        self, amount: Path, currency: Path, *, decimals: Mapping[str, int] = _AS_ISO
    ) -> tuple[int | None, str, int]:
        """Return an amount that is given in minor units, its currency (any case) and exponent, all by ISO 4217.

        `decimals` says how many decimals the provider gives a currency, for those where that is not ISO 4217's.
        """
        code, exponent = self.currency(currency)
        value = self.whole(*amount)
        if value is None or not code:
            return None, code, exponent
        return self.scaled(value, amount, decimals.get(code, exponent), exponent), code, exponent

    def whole(self, *path: str | int) -> int | None:
        """Return a whole number that must be there, None where it is wrong."""
        value = self.at(*path)
        if type(value) is NumberToken and _WHOLE(value) is not None:
            return int(value)
        self.refuse(path, "must be a whole number of minor units")
        return None

    def scaled(self, value: int, amount: Path, given: int, exponent: int) -> int | None:
        """Return an amount of `given` decimals with `exponent` decimals, None where it can't be taken."""
        if given > exponent:
            value, rest = divmod(value, 10 ** (given - exponent))
            if rest:
                self.refuse(amount, f"must have at most {exponent} decimals in this currency")
                return None
        else:
            value *= 10 ** (exponent - given)
        if not 0 < value <= money.MINOR_UNITS_MAX:
            self.refuse(amount, "must be greater than 0 and fit into 64 bits")
            return None
        return value

    def major_units(self, amount: Path, currency: Path) -> tuple[int | None, str, int]:
        """Return an amount that is given as a number or decimal string in units of the currency, in minor units."""
        code, exponent = self.currency(currency)
        value = self.at(*amount)
        if not code:
            return None, code, exponent
        try:
            # A NumberToken is a str with the digits as they were written.
            digits, power = money.read(value if isinstance(value, str) else "")
            return money.to_minor_units(digits, power, exponent), code, exponent
        except money.AmountError as error:
            self.refuse(amount, str(error))
            return None, code, exponent

    def currency(self, path: Path) -> tuple[str, int]:
        """Return a currency of ISO 4217 in upper case and its exponent; empty and 0 where it is wrong."""
        code = self.text(*path).upper()
        exponent = money.EXPONENTS.get(code)
        if exponent is None:
            self.refuse(path, "must be a currency code of ISO 4217")
            return "", 0
        return code, exponent

    def seconds_ms(self, *path: str | int) -> int:
        """Return whole Unix seconds as milliseconds, 0 where there are none."""
        value = self.at(*path)
        if type(value) is not NumberToken or not value.isascii() or not value.isdigit() or len(value) > 12:  # noqa: PLR2004 - digits of any time we know
            return 0
        return _bounded(int(value) * 1000)

    def iso_ms(self, *path: str | int) -> int:
        """Return an ISO 8601 time with an offset as milliseconds, 0 where there is none."""
        try:
            time = datetime.fromisoformat(self.text(*path))
        except ValueError:
            return 0
        if time.tzinfo is None:
            return 0
        return _bounded((time - _EPOCH) // timedelta(milliseconds=1))

    def check(self) -> None:
        """End the reading.

        Raises:
            Unprocessable: something was wrong; every field is named.
        """
        if self.wrong:
            raise Unprocessable(self.wrong)

    def _required(self, path: Path, match: Callable[[str], re.Match[str] | None], rule: str) -> str:
        value = self.at(*path)
        # Exactly str: a NumberToken is a string too, and 7 is not "7".
        if type(value) is str and match(value) is not None:
            return value
        self.refuse(path, "is required" if value is None else rule)
        return ""


def _bounded(time_ms: int) -> int:
    return time_ms if 0 <= time_ms <= _MS_MAX else 0
