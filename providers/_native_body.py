"""The native body: one payment event in our own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from providers import money
from providers.contract import Basis, DisputeReason, Event, Kind, Unprocessable, Wrong
from providers.plain_text import clean
from providers.strict_json import MalformedError, NumberToken, parse_exact

Match = Callable[[str], "re.Match[str] | None"]

DESCRIPTION_CHARACTERS_MAX: Final = 500
_TX_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}").fullmatch
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_-]{1,50}").fullmatch
_ID: Final = re.compile(r"[!-~]{1,200}").fullmatch
_SECONDS: Final = re.compile(r"[0-9]{1,12}").fullmatch
# The end of the year 9999, the last that databases and calendars know.
_SECONDS_MAX: Final = 253_402_300_799
_TX_ID_RULE: Final = "must be 1 to 100 of A-Z, a-z, 0-9, _ and -"
_ACCOUNT_RULE: Final = "must be 1 to 50 of A-Z, a-z, 0-9, _ and -"
_ID_RULE: Final = "must be 1 to 200 printable ASCII characters without spaces"

_KINDS: Final[Mapping[str, Kind]] = {"success": Kind.CAPTURED, **{kind.name.lower(): kind for kind in Kind}}
_STATUS_RULE: Final = f"must be one of {', '.join(_KINDS)}"
# Their amount is the whole original payment, however often it is stated.
_WHOLE_PAYMENT: Final = frozenset({Kind.PENDING, Kind.AUTHORIZED, Kind.CAPTURED, Kind.FAILED, Kind.CANCELED})
_DISPUTES: Final = frozenset({Kind.DISPUTE_OPENED, Kind.DISPUTE_WON, Kind.DISPUTE_LOST})
_REASONS: Final[Mapping[str, DisputeReason]] = {reason.name.lower(): reason for reason in DisputeReason if reason}
# Each opens an object of its own: two real refunds of one payment must not add up to one.
_OPENS_OBJECT: Final = frozenset({Kind.REFUNDED, Kind.DISPUTE_OPENED})


def event_of(body: bytes) -> Event:
    """Return the event a native body states.

    Raises:
        Unprocessable: not a strict JSON object, or fields are wrong; every one is named.
    """
    try:
        fields = parse_exact(body)
    except MalformedError as error:
        raise Unprocessable([Wrong("body", str(error))]) from None
    if not isinstance(fields, dict):
        raise Unprocessable([Wrong("body", "must be a JSON object")])
    return event_of_fields(fields)


def event_of_fields(fields: Mapping[str, object]) -> Event:
    """Return the event that the fields of a native body state, numbers as `parse_exact` leaves them.

    Raises:
        Unprocessable: fields are wrong; every one is named.
    """
    return _Reading(fields).event()


class _Reading:
    """Reads one body and collects what is wrong with it."""

    __slots__ = ("_get", "_wrong")

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._get = fields.get
        self._wrong: list[Wrong] = []

    def event(self) -> Event:
        kind = self._kind()
        tx_id = self._required("tx_id", _TX_ID, _TX_ID_RULE)
        currency, exponent, amount_minor = self._amount()
        sender = self._required("sender_account", _ACCOUNT, _ACCOUNT_RULE)
        receiver = self._required("receiver_account", _ACCOUNT, _ACCOUNT_RULE)
        if sender and sender == receiver:
            self._refuse("receiver_account", "must differ from sender_account")
        event_id = self._optional("event_id", _ID, _ID_RULE)
        object_id = self._optional("object_id", _ID, _ID_RULE)
        description = self._description()
        seconds = self._seconds()
        reason = self._reason(kind)
        whole = kind is None or kind in _WHOLE_PAYMENT
        if not whole and self._get("event_id") is None:
            self._refuse("event_id", "is required with this status")
        if self._wrong or kind is None:
            raise Unprocessable(self._wrong)
        if whole:
            object_id = ""
        elif not object_id and kind in _OPENS_OBJECT:
            object_id = event_id
        return Event(
            tx_id=tx_id,
            kind=kind,
            event_id=event_id,
            object_id=object_id,
            amount_minor=amount_minor,
            currency=currency,
            exponent=exponent,
            basis=Basis.CUMULATIVE if whole else Basis.DELTA,
            amount_fixed=whole,
            sender_account=sender,
            receiver_account=receiver,
            event_time_ms=seconds * 1000,
            event_time_signed=seconds > 0,
            description=description,
            dispute_reason=reason,
        )

    def _refuse(self, field: str, description: str) -> None:
        self._wrong.append(Wrong(field, description))

    def _required(self, field: str, match: Match, rule: str) -> str:
        value = self._get(field)
        if value is None:
            self._refuse(field, "is required")
            return ""
        return self._matching(value, field, match, rule)

    def _optional(self, field: str, match: Match, rule: str) -> str:
        value = self._get(field)
        return "" if value is None else self._matching(value, field, match, rule)

    def _matching(self, value: object, field: str, match: Match, rule: str) -> str:
        # Exactly str: a NumberToken is a string too, and 7 is not "7".
        if type(value) is str and match(value) is not None:
            return value
        self._refuse(field, rule)
        return ""

    def _kind(self) -> Kind | None:
        value = self._get("status")
        if value is None:
            return Kind.CAPTURED
        kind = _KINDS.get(value) if type(value) is str else None
        if kind is None:
            self._refuse("status", _STATUS_RULE)
        return kind

    def _reason(self, kind: Kind | None) -> DisputeReason:
        value = self._get("dispute_reason")
        if value is None:
            return DisputeReason.UNSPECIFIED
        reason = _REASONS.get(value) if type(value) is str else None
        if reason is None:
            self._refuse("dispute_reason", f"must be one of {', '.join(_REASONS)}")
        elif kind is not None and kind not in _DISPUTES:
            self._refuse("dispute_reason", "belongs to a dispute")
        return reason or DisputeReason.UNSPECIFIED

    def _amount(self) -> tuple[str, int, int]:
        """Return currency, its exponent and the amount in minor units; zeros where something is wrong."""
        code, amount = self._get("currency"), self._get("amount")
        exponent = money.EXPONENTS.get(code) if type(code) is str else None
        if exponent is None:
            self._refuse("currency", "is required" if code is None else "must be a currency code of ISO 4217")
        if amount is None:
            self._refuse("amount", "is required")
            return "", 0, 0
        try:
            digits, power = money.read(amount if isinstance(amount, str) else "")
            if exponent is not None:
                return str(code), exponent, money.to_minor_units(digits, power, exponent)
        except money.AmountError as error:
            self._refuse("amount", str(error))
        return "", 0, 0

    def _description(self) -> str:
        value = self._get("description")
        if value is None:
            return ""
        if type(value) is not str:
            self._refuse("description", "must be text")
            return ""
        try:
            text = clean(value)
        except ValueError as error:
            self._refuse("description", str(error))
            return ""
        if len(text) > DESCRIPTION_CHARACTERS_MAX:
            self._refuse("description", f"must have at most {DESCRIPTION_CHARACTERS_MAX} characters")
        return text

    def _seconds(self) -> int:
        value = self._get("timestamp")
        if value is None:
            return 0
        if type(value) is NumberToken and _SECONDS(value) is not None and int(value) <= _SECONDS_MAX:
            return int(value)
        self._refuse("timestamp", "must be whole seconds since the Unix epoch")
        return 0
