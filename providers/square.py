"""Square: HMAC-SHA256 of the notification URL and the body in base64; states of payments in `data.object`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from providers.contract import (
    Acknowledgement,
    DisputeReason,
    Event,
    HeaderLookup,
    Kind,
    Options,
    Provider,
    Secret,
    Verified,
    Window,
)
from providers.dispute_reasons import by_table
from providers.reading import Path, Reading
from providers.stating import ENDS_WHOLE, NO_AMOUNT, Amount, stated
from providers.strict_json import NumberToken
from providers.verification import base64_digest, invalid, key_of, required

_PAYMENT: Final[Path] = ("data", "object", "payment")
_REFUND: Final[Path] = ("data", "object", "refund")
_DISPUTE: Final[Path] = ("data", "object", "dispute")

_PAYMENT_STATUSES: Final[Mapping[str, Kind]] = {
    "PENDING": Kind.PENDING,
    "APPROVED": Kind.AUTHORIZED,
    "COMPLETED": Kind.CAPTURED,
    "CANCELED": Kind.CANCELED,
    "FAILED": Kind.FAILED,
}
# A pending refund has given nothing back yet.
_REFUND_STATUSES: Final[Mapping[str, Kind]] = {
    "COMPLETED": Kind.REFUNDED,
    "REJECTED": Kind.REFUND_FAILED,
    "FAILED": Kind.REFUND_FAILED,
}
# An inquiry (INQUIRY_…) withholds nothing.
_DISPUTE_STATES: Final[Mapping[str, Kind]] = {
    "EVIDENCE_REQUIRED": Kind.DISPUTE_OPENED,
    "PROCESSING": Kind.DISPUTE_OPENED,
    "WON": Kind.DISPUTE_WON,
    "LOST": Kind.DISPUTE_LOST,
    "ACCEPTED": Kind.DISPUTE_LOST,
}
_REASONS: Final[Mapping[str, DisputeReason]] = {
    # The holder says that they neither made nor authorized it.
    "NO_KNOWLEDGE": DisputeReason.FRAUD,
    # A counterfeit card was swiped where its chip would have told.
    "EMV_LIABILITY_SHIFT": DisputeReason.FRAUD,
    "NOT_RECEIVED": DisputeReason.NOT_RECEIVED,
    "NOT_AS_DESCRIBED": DisputeReason.NOT_AS_DESCRIBED,
    "CUSTOMER_REQUESTS_CREDIT": DisputeReason.CREDIT_NOT_PROCESSED,
    "DUPLICATE": DisputeReason.DUPLICATE,
    "PAID_BY_OTHER_MEANS": DisputeReason.DUPLICATE,
    "CANCELLED": DisputeReason.CANCELED,
    "AMOUNT_DIFFERS": DisputeReason.WRONG_AMOUNT,
}
_VERSION_DIGITS_MAX: Final = 10
# Of the amounts a payment states, the first is what was taken or reserved; tips are in it.
_CAPTURED: Final = ("total_money", "amount_money")
_AUTHORIZED: Final = ("approved_money", *_CAPTURED)


class SquareProvider:
    """Square's webhooks. Each carries the whole payment, refund or dispute as it then was."""

    name: Final = "square"
    native: Final = False
    kept_headers: Final = ("square-environment", "user-agent", "content-type")
    acknowledgement: Final = Acknowledgement()

    def __init__(self, *, url: str = "") -> None:
        """Take the notification URL as Square knows it; without one nothing verifies."""
        self._url = url.encode("utf-8", "surrogatepass")

    def configured(self, options: Options) -> SquareProvider:
        """Return it with the source's notification URL.

        Raises:
            ValueError: there is none.
        """
        if not options.url:
            raise ValueError("url must be the notification URL of the subscription: Square signs it")
        return SquareProvider(url=options.url)

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check the signature over notification URL and body; no time is signed.

        Raises:
            Refused: as the contract says; always where no URL is configured.
        """
        del now_s, window
        given = base64_digest(required(headers, "X-Square-HmacSha256-Signature"))
        if not self._url:
            raise invalid("No notification URL is configured for this source.")
        return Verified(key_of((given,), self._url + body, secrets), body, None)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the event that the object's state means, none where it means nothing to a payment.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        reading = Reading(body)
        family = reading.text("type").partition(".")[0]
        event: Event | None = None
        if family == "payment":
            event = _payment(reading)
        elif family == "refund":
            event = _refund(reading)
        elif family == "dispute":
            event = _dispute(reading)
        return () if event is None else (event,)


def _payment(reading: Reading) -> Event | None:
    kind = _PAYMENT_STATUSES.get(reading.text(*_PAYMENT, "status"))
    names = _AUTHORIZED if kind is Kind.AUTHORIZED else _CAPTURED
    path: Path = next((each for name in names if reading.at(*(each := (*_PAYMENT, name))) is not None), _PAYMENT)
    if kind is None or reading.is_zero(*path, "amount"):
        return None
    tx_id = reading.tx_id(*_PAYMENT, "id")
    return _event(
        reading,
        kind,
        tx_id=tx_id,
        amount=_money(reading, path),
        changed=(*_PAYMENT, "updated_at"),
        version=(*_PAYMENT, "version"),
        sender=reading.account(*_PAYMENT, "customer_id"),
        receiver=reading.account("merchant_id"),
        description=reading.description(*_PAYMENT, "note"),
    )


def _refund(reading: Reading) -> Event | None:
    """Return what became of one refund; `refunded_money` of the payment is the same money again."""
    kind = _REFUND_STATUSES.get(reading.text(*_REFUND, "status"))
    if kind is None:
        return None
    tx_id = reading.tx_id(*_REFUND, "payment_id")
    object_id = reading.identifier(*_REFUND, "id")
    amount = NO_AMOUNT if kind in ENDS_WHOLE else _money(reading, (*_REFUND, "amount_money"))
    return _event(reading, kind, tx_id=tx_id, object_id=object_id, amount=amount, changed=(*_REFUND, "updated_at"))


def _dispute(reading: Reading) -> Event | None:
    kind = _DISPUTE_STATES.get(reading.text(*_DISPUTE, "state"))
    if kind is None:
        return None
    tx_id = reading.tx_id(*_DISPUTE, "disputed_payment", "payment_id")
    # Older versions of the API call it so.
    name = "id" if reading.at(*_DISPUTE, "id") is not None else "dispute_id"
    object_id = reading.identifier(*_DISPUTE, name)
    amount = NO_AMOUNT if kind in ENDS_WHOLE else _money(reading, (*_DISPUTE, "amount_money"))
    return _event(
        reading,
        kind,
        tx_id=tx_id,
        object_id=object_id,
        amount=amount,
        changed=(*_DISPUTE, "updated_at"),
        reason=by_table(reading.text(*_DISPUTE, "reason"), _REASONS),
    )


def _money(reading: Reading, path: Path) -> Amount:
    return reading.minor_units((*path, "amount"), (*path, "currency"))


def _event(
    reading: Reading,
    kind: Kind,
    *,
    tx_id: str,
    object_id: str = "",
    amount: Amount,
    changed: Path,
    version: Path = (),
    sender: str = "",
    receiver: str = "",
    description: str = "",
    reason: DisputeReason = DisputeReason.UNSPECIFIED,
) -> Event:
    # By the rule of a payment's id, which leaves room for the version before it.
    event_id = reading.tx_id("event_id")
    reading.check()
    happened_ms = reading.iso_ms(*changed) or reading.iso_ms("created_at")
    return stated(
        kind,
        tx_id=tx_id,
        event_id=_ordered(event_id, reading, version),
        object_id=object_id,
        amount=amount,
        happened_ms=happened_ms,
        sender=sender,
        receiver=receiver,
        description=description,
        reason=reason,
    )


def _ordered(event_id: str, reading: Reading, version: Path) -> str:
    """Return the event's id behind the payment's version, so that states of one millisecond are in Square's order."""
    number = reading.at(*version) if version else None
    if isinstance(number, NumberToken) and number.isdigit() and len(number) <= _VERSION_DIGITS_MAX:
        return f"{number:0>{_VERSION_DIGITS_MAX}}:{event_id}"
    return event_id


PROVIDER: Final[Provider] = SquareProvider()
