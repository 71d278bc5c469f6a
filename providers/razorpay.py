"""Razorpay: HMAC-SHA256 of the body in hexadecimal; payments, refunds and disputes are entities in `payload`."""

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
from providers.reading import Path, Reading
from providers.stating import ENDS_WHOLE, NO_AMOUNT, stated
from providers.verification import hex_digest, key_of, required

_PAYMENT: Final[Path] = ("payload", "payment", "entity")
_REFUND: Final[Path] = ("payload", "refund", "entity")
_DISPUTE: Final[Path] = ("payload", "dispute", "entity")

# `order.paid` comes beside `payment.captured`, about the same capture: both state its whole amount.
_PAYMENTS: Final[Mapping[str, Kind]] = {
    "payment.created": Kind.PENDING,
    "payment.pending": Kind.PENDING,
    "payment.authorized": Kind.AUTHORIZED,
    "payment.captured": Kind.CAPTURED,
    "order.paid": Kind.CAPTURED,
    "payment.failed": Kind.FAILED,
}
_REFUNDS: Final[Mapping[str, Kind]] = {"refund.processed": Kind.REFUNDED, "refund.failed": Kind.REFUND_FAILED}
# Closed means that it ended without a decision, as inquiries do: nothing is withheld any more.
_DISPUTES: Final[Mapping[str, Kind]] = {
    "payment.dispute.created": Kind.DISPUTE_OPENED,
    "payment.dispute.won": Kind.DISPUTE_WON,
    "payment.dispute.lost": Kind.DISPUTE_LOST,
    "payment.dispute.closed": Kind.DISPUTE_WON,
}


class RazorpayProvider:
    """Razorpay's webhooks. The event id comes in a header that nothing signs, so it identifies nothing here."""

    name: Final = "razorpay"
    native: Final = False
    kept_headers: Final = ("x-razorpay-event-id", "user-agent", "content-type")
    acknowledgement: Final = Acknowledgement()

    def configured(self, options: Options) -> RazorpayProvider:
        """Return it as it is: nothing in the body tells live from test, only the secret does."""
        del options
        return self

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check the signature over the body; no time is signed.

        Raises:
            Refused: as the contract says.
        """
        del now_s, window
        given = hex_digest(required(headers, "X-Razorpay-Signature"))
        return Verified(key_of((given,), body, secrets), body, None)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the event that the body's `event` names, none where it is no payment's.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        reading = Reading(body)
        event = reading.text("event")
        if event in _PAYMENTS:
            return (_payment(reading, event),)
        if event in _DISPUTES:
            return (_object(reading, _DISPUTE, _DISPUTES[event], _reason(reading)),)
        # One that was created and is still pending has given nothing back yet.
        if event in _REFUNDS or (event == "refund.created" and reading.text(*_REFUND, "status") == "processed"):
            return (_object(reading, _REFUND, _REFUNDS.get(event, Kind.REFUNDED)),)
        return ()


def _payment(reading: Reading, event: str) -> Event:
    """Return what a payment's own event states: its whole amount."""
    tx_id = reading.tx_id(*_PAYMENT, "id")
    amount = reading.minor_units((*_PAYMENT, "amount"), (*_PAYMENT, "currency"))
    reading.check()
    return stated(
        _PAYMENTS[event],
        tx_id=tx_id,
        event_id=f"{tx_id}:{event}",
        amount=amount,
        happened_ms=reading.seconds_ms("created_at"),
        sender=reading.account(*_PAYMENT, "customer_id"),
        receiver=reading.account("account_id"),
        description=reading.description(*_PAYMENT, "description"),
    )


def _reason(reading: Reading) -> DisputeReason:
    """Return why it is disputed: the phase says where a bank raised it for fraud; codes are the networks' own."""
    if reading.text(*_DISPUTE, "phase") == "fraud":
        return DisputeReason.FRAUD
    return DisputeReason.OTHER if reading.text(*_DISPUTE, "reason_code") else DisputeReason.UNSPECIFIED


def _object(reading: Reading, entity: Path, kind: Kind, reason: DisputeReason = DisputeReason.UNSPECIFIED) -> Event:
    """Return what a refund or dispute states of itself.

    The payment beside a refund carries `amount_refunded`, the running total over all refunds. It is left alone: each
    refund counts by its own entity, and would count twice.
    """
    tx_id = reading.tx_id(*entity, "payment_id")
    # By the rule of a payment's id, which leaves room for what the event's id continues it with.
    object_id = reading.tx_id(*entity, "id")
    amount = NO_AMOUNT
    if kind not in ENDS_WHOLE:
        amount = reading.minor_units((*entity, "amount"), (*entity, "currency"))
    reading.check()
    return stated(
        kind,
        tx_id=tx_id,
        event_id=f"{object_id}:{kind.name.lower()}",
        object_id=object_id,
        amount=amount,
        happened_ms=reading.seconds_ms("created_at"),
        reason=reason,
    )


PROVIDER: Final[Provider] = RazorpayProvider()
