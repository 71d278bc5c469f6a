"""Maps the bodies of an `hmac` source as its layout says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from providers import money
from providers._hmac_settings import DISPUTES, ENDS_OBJECT, NEEDS_AMOUNT, OPENS_OBJECT, Layout
from providers.contract import Basis, DisputeReason, Event, Kind
from providers.dispute_reasons import by_own_word
from providers.reading import Path, Reading
from providers.stating import ENDS_WHOLE, NO_AMOUNT, Amount
from providers.strict_json import NumberToken

_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,18}").fullmatch
_TX_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}").fullmatch
_TX_ID_RULE: Final = "must be a number, or 1 to 100 of A-Z, a-z, 0-9, _, ., : and -"
_ID: Final = re.compile(r"[!-~]{1,200}").fullmatch
_ID_RULE: Final = "must be a number, or 1 to 200 printable ASCII characters without spaces"
_MS_MAX: Final = 253_402_300_799_999


def event_of(body: bytes, layout: Layout) -> Event | None:
    """Return the event of a body, None where its type is not listed.

    Raises:
        Unprocessable: no strict JSON object, or fields are wrong; every one is named.
    """
    mapping = _Mapping(Reading(body), layout)
    kind = layout.kinds.get(mapping.type())
    return None if kind is None else mapping.event(kind)


class _Mapping:
    """One body as one layout reads it."""

    __slots__ = ("_layout", "_reading")

    def __init__(self, reading: Reading, layout: Layout) -> None:
        self._reading = reading
        self._layout = layout

    def type(self) -> str:
        """Return the type as text, whichever JSON value it is."""
        value = self._reading.at(*self._path("kind"))
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str) else ""

    def event(self, kind: Kind) -> Event:
        reading, layout = self._reading, self._layout
        self._check_live()
        aliases = self._aliases()
        tx_id = self._id("tx_id", _TX_ID, needed=not aliases)
        event_id = self._id("event_id", _ID, needed="event_id" in layout.fields)
        object_id = self._id(
            "object_id", _ID, needed="object_id" in layout.fields and kind in OPENS_OBJECT | ENDS_OBJECT
        )
        amount, currency, exponent = self._amount(kind)
        happened_ms = self._time_ms()
        sender, receiver = (reading.account(*self._path(name)) for name in ("sender", "receiver"))
        reading.check()
        return Event(
            tx_id=tx_id,
            kind=kind,
            event_id=event_id,
            object_id=object_id or (event_id if kind in OPENS_OBJECT and not layout.cumulative else ""),
            amount_minor=amount,
            currency=currency,
            exponent=exponent,
            basis=Basis.CUMULATIVE if layout.cumulative else Basis.DELTA,
            sender_account=sender,
            receiver_account=receiver if receiver != sender else "",
            event_time_ms=happened_ms,
            event_time_signed=happened_ms > 0,
            description=reading.description(*self._path("description")),
            aliases=aliases,
            dispute_reason=self._reason(kind),
        )

    def _path(self, field: str) -> Path:
        """Return the first of a field's paths that leads to something, else its first; nowhere if it has none."""
        paths = self._layout.fields.get(field)
        if not paths:
            return _NOWHERE
        return next((path for path in paths if self._reading.at(*path) is not None), paths[0])

    def _id(self, field: str, match: Callable[[str], re.Match[str] | None], *, needed: bool) -> str:
        """Return an id, a number as it is written; empty where it is wrong, or neither there nor needed."""
        path = self._path(field)
        value = self._reading.at(*path)
        if value is None and not needed:
            return ""
        if isinstance(value, str) and match(value) is not None:
            return str(value)
        self._reading.refuse(path, "is required" if value is None else _TX_ID_RULE if match is _TX_ID else _ID_RULE)
        return ""

    def _aliases(self) -> tuple[str, ...]:
        paths = self._layout.fields.get("aliases", ())
        values = [self._reading.at(*path) for path in paths]
        # Another id that is no id links nothing.
        return tuple(dict.fromkeys(str(value) for value in values if isinstance(value, str) and _ID(value) is not None))

    def _reason(self, kind: Kind) -> DisputeReason:
        """Return why it is disputed, in the contract's words in any case, or Stripe's."""
        if kind not in DISPUTES:
            return DisputeReason.UNSPECIFIED
        return by_own_word(self._reading.text(*self._path("dispute_reason")))

    def _check_live(self) -> None:
        path = self._path("live")
        value = self._reading.at(*path)
        stated = value if isinstance(value, bool) else None
        self._reading.check_mode(*path, stated_live=stated, expected_live=self._layout.live)

    def _amount(self, kind: Kind) -> Amount:
        path = self._path("amount")
        value = self._reading.at(*path)
        optional = kind not in NEEDS_AMOUNT
        if kind in ENDS_WHOLE or (optional and (value is None or self._reading.is_zero(*path))):
            return NO_AMOUNT
        code, exponent = self._currency()
        try:
            digits, power = money.read(value if isinstance(value, str) else "")
            if self._layout.minor_units:
                if power < 0:
                    raise money.AmountError("must be a whole number of minor units")  # noqa: TRY301 - as the others
                power -= exponent
            if code:
                return money.to_minor_units(digits, power, exponent), code, exponent
        except money.AmountError as error:
            self._reading.refuse(path, str(error))
        return NO_AMOUNT

    def _currency(self) -> tuple[str, int]:
        code = self._layout.currency
        return (code, money.EXPONENTS[code]) if code else self._reading.currency(self._path("currency"))

    def _time_ms(self) -> int:
        path = self._path("time")
        if self._layout.time_format == "iso":
            return self._reading.iso_ms(*path)
        value = self._reading.at(*path)
        if not isinstance(value, NumberToken) or _WHOLE(value) is None:
            return 0
        time_ms = int(value) * (1000 if self._layout.time_format == "unix_s" else 1)
        return time_ms if time_ms <= _MS_MAX else 0


# No body has an empty key twice nested, and nothing reads one.
_NOWHERE: Final[Path] = ("", "")
