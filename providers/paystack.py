"""Paystack: HMAC-SHA512 of the body in lower-case hexadecimal; charges, refunds and disputes by their reference.

How it signs: https://paystack.com/docs/payments/webhooks/; its amounts, hundredths in every currency, in those without
a subunit (XOF, RWF), too: https://paystack.com/docs/api/#supported-currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from providers import money
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
from providers.verification import hex_digest, key_of, required

_CURRENCY: Final[Path] = ("data", "currency")
_CHARGES: Final[Mapping[str, Kind]] = {"charge.success": Kind.CAPTURED, "charge.failed": Kind.FAILED}
# Pending and processing refunds have given nothing back yet.
_REFUNDS: Final[Mapping[str, Kind]] = {"refund.processed": Kind.REFUNDED, "refund.failed": Kind.REFUND_FAILED}
_RESOLUTIONS: Final[Mapping[str, Kind]] = {
    "merchant-accepted": Kind.DISPUTE_LOST,
    "auto-accepted": Kind.DISPUTE_LOST,
    "declined": Kind.DISPUTE_WON,
}
_CATEGORIES: Final[Mapping[str, DisputeReason]] = {"fraud": DisputeReason.FRAUD}
_DOMAINS: Final[Mapping[str, bool]] = {"live": True, "test": False}


class PaystackProvider:
    """Paystack's webhooks. It has no event ids: charge, refund and dispute ids in the body identify."""

    name: Final = "paystack"
    native: Final = False
    kept_headers: Final = ("user-agent", "content-type")
    acknowledgement: Final = Acknowledgement()

    def __init__(self, *, live: bool | None = None) -> None:
        """Expect live or test payments; None for either."""
        self._live = live

    def configured(self, options: Options) -> PaystackProvider:
        """Return it with what the source expects of `domain`."""
        return PaystackProvider(live=options.live)

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check the signature over the body; no time is signed.

        Raises:
            Refused: as the contract says.
        """
        del now_s, window
        given = hex_digest(required(headers, "X-Paystack-Signature"), "sha512")
        return Verified(key_of((given,), body, secrets, algorithm="sha512"), body, None)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the event that the body's `event` names, none where it is no payment's.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        reading = Reading(body)
        event = reading.text("event")
        reading.check_mode(
            "data", "domain", stated_live=_DOMAINS.get(reading.text("data", "domain")), expected_live=self._live
        )
        if event in _CHARGES:
            return (_charge(reading, event),)
        if event in _REFUNDS:
            return (_refund(reading, _REFUNDS[event]),)
        if event == "charge.dispute.create":
            return (_dispute(reading, Kind.DISPUTE_OPENED),)
        if event == "charge.dispute.resolve":
            kind = _RESOLUTIONS.get(reading.text("data", "resolution"))
            return () if kind is None else (_dispute(reading, kind),)
        return ()


def _charge(reading: Reading, event: str) -> Event:
    tx_id = _reference(reading, "data", "reference")
    amount = _amount(reading, ("data", "amount"))
    reading.check()
    return stated(
        _CHARGES[event],
        tx_id=tx_id,
        event_id=f"{tx_id}:{event}",
        amount=amount,
        happened_ms=reading.iso_ms("data", "paid_at") or reading.iso_ms("data", "created_at"),
        sender=reading.account("data", "customer", "customer_code"),
    )


def _refund(reading: Reading, kind: Kind) -> Event:
    """Return what became of one refund; one without an id can't be told from another, and is for a person to read."""
    tx_id = _reference(reading, "data", "transaction_reference")
    if reading.text("data", "refund_reference"):
        # By the rule of a payment's id, which leaves room for what the event's id continues it with.
        object_id = reading.tx_id("data", "refund_reference")
    else:
        object_id = reading.number_id("data", "id")
    amount = NO_AMOUNT if kind in ENDS_WHOLE else _amount(reading, ("data", "amount"))
    reading.check()
    return stated(
        kind,
        tx_id=tx_id,
        event_id=f"refund:{object_id}:{kind.name.lower()}",
        object_id=object_id,
        amount=amount,
        happened_ms=reading.iso_ms("data", "updated_at"),
    )


def _dispute(reading: Reading, kind: Kind) -> Event:
    tx_id = _reference(reading, "data", "transaction", "reference")
    object_id = reading.number_id("data", "id")
    amount = NO_AMOUNT
    if kind not in ENDS_WHOLE:
        # Until somebody states what is to be given back, all of it is disputed.
        unstated = reading.at("data", "refund_amount") is None or reading.is_zero("data", "refund_amount")
        amount = _amount(reading, ("data", "transaction", "amount") if unstated else ("data", "refund_amount"))
    reading.check()
    return stated(
        kind,
        tx_id=tx_id,
        event_id=f"dispute:{object_id}:{kind.name.lower()}",
        object_id=f"dispute:{object_id}",
        amount=amount,
        happened_ms=reading.iso_ms("data", "updated_at") or reading.iso_ms("data", "created_at"),
        reason=by_table(reading.text("data", "category"), _CATEGORIES),
    )


def _reference(reading: Reading, *path: str) -> str:
    """Return the payment's id: the merchant's reference, its `=` as `:`, which Paystack allows in none."""
    stated_reference = reading.text(*path)
    if "=" in stated_reference and ":" not in stated_reference:
        return reading.tx_id_of(stated_reference.replace("=", ":"), path)
    return reading.tx_id(*path)


def _amount(reading: Reading, path: Path) -> Amount:
    """Return an amount in minor units: Paystack counts hundredths of any currency, also of those without cents."""
    code, exponent = reading.currency(_CURRENCY)
    value = reading.at(*path)
    if not code:
        return NO_AMOUNT
    try:
        # Refunds state it as text, everything else as a number.
        digits, power = money.read(value if isinstance(value, str) else "")
        if power < 0:
            raise money.AmountError("must be a whole number of hundredths")  # noqa: TRY301 - collected with the others
        return money.to_minor_units(digits, power - 2, exponent), code, exponent
    except money.AmountError as error:
        reading.refuse(path, str(error))
        return NO_AMOUNT


PROVIDER: Final[Provider] = PaystackProvider()
