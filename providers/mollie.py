"""Mollie: next-generation webhooks, HMAC-SHA256 of the body in hexadecimal; the body holds the entity as it was.

How it signs: https://docs.mollie.com/reference/webhooks-best-practices, and `SignatureValidator` in Mollie's own
mollie-api-php, which takes the header as often as it comes: while a secret is rotated, both sign for a day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from providers.contract import (
    Acknowledgement,
    Basis,
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
from providers.verification import hex_digest, invalid, key_of, required

_HEADER: Final = "X-Mollie-Signature"
_PREFIX: Final = "sha256="
# One by each secret while one replaces the other.
_SIGNATURES_MAX: Final = 2
# The classic webhook: a form with an id and nothing else. What happened would have to be fetched.
_CLASSIC: Final = re.compile(rb"id=[A-Za-z0-9_.%-]{1,100}").fullmatch

_PAYMENT_STATUSES: Final[Mapping[str, tuple[Kind, str]]] = {
    "open": (Kind.PENDING, "createdAt"),
    "pending": (Kind.PENDING, "createdAt"),
    "authorized": (Kind.AUTHORIZED, "authorizedAt"),
    "paid": (Kind.CAPTURED, "paidAt"),
    "failed": (Kind.FAILED, "failedAt"),
    "canceled": (Kind.CANCELED, "canceledAt"),
    "expired": (Kind.CANCELED, "expiredAt"),
}
# Before it is refunded, nothing was given back; canceled means before.
_REFUND_STATUSES: Final[Mapping[str, Kind]] = {
    "refunded": Kind.REFUNDED,
    "failed": Kind.REFUND_FAILED,
    "canceled": Kind.REFUND_FAILED,
}
_CAPTURE_STATUSES: Final[Mapping[str, Kind]] = {"succeeded": Kind.CAPTURED, "failed": Kind.CAPTURE_FAILED}
# The reason is the code of SEPA's rulebook, or of the card network.
_REASONS: Final[Mapping[str, DisputeReason]] = {
    # No mandate: the holder of the account never authorized the debit.
    "MD01": DisputeReason.FRAUD,
    "FR01": DisputeReason.FRAUD,
    "AC01": DisputeReason.PROCESSING,
    "AC04": DisputeReason.PROCESSING,
    "AC06": DisputeReason.PROCESSING,
    "AM04": DisputeReason.PROCESSING,
    "AM05": DisputeReason.DUPLICATE,
}
_MODES: Final[Mapping[str, bool]] = {"live": True, "test": False}


class MollieProvider:
    """Mollie's signed webhooks. The classic ones are not signed, so they are refused like anything unsigned."""

    name: Final = "mollie"
    native: Final = False
    kept_headers: Final = ("user-agent", "content-type")
    acknowledgement: Final = Acknowledgement()

    def __init__(self, *, live: bool | None = None) -> None:
        """Expect live or test payments; None for either."""
        self._live = live

    def configured(self, options: Options) -> MollieProvider:
        """Return it with what the source expects of an entity's `mode`."""
        return MollieProvider(live=options.live)

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check the signature over the body; no time is signed.

        Raises:
            Refused: as the contract says.
        """
        del now_s, window
        return Verified(key_of(_signatures(headers), body, secrets), body, None)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the event that the entity's state means; none where the body holds no entity of a payment.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        if _CLASSIC(body) is not None:
            return ()
        reading = Reading(body)
        # An event wraps its entity, where the subscription asks for it; else the body is the entity.
        entity: Path = ("_embedded", "entity") if reading.text("resource") == "event" else ()
        resource = reading.text(*entity, "resource")
        event: Event | None = None
        if resource == "payment":
            event = _payment(reading, entity)
        elif resource == "capture":
            event = _capture(reading, entity)
        elif resource == "refund":
            event = _refund(reading, entity)
        elif resource == "chargeback":
            event = _chargeback(reading, entity)
        if event is None:
            return ()
        stated_live = _MODES.get(reading.text(*entity, "mode"))
        reading.check_mode(*entity, "mode", stated_live=stated_live, expected_live=self._live)
        reading.check()
        return (event,)


def _signatures(headers: HeaderLookup) -> Sequence[bytes]:
    """Return the signatures, each of which must be one; of two, one by a secret that is ours is enough.

    The header may come twice, or as one list, which is what a proxy makes of that. A signature that is there twice is
    none of Mollie's doing, and is refused like any other doubled header.
    """
    values = headers.getall(_HEADER, ())
    if len(values) <= 1:
        values = required(headers, _HEADER).split(", ")
    if len(values) > _SIGNATURES_MAX or len(set(values)) < len(values):
        raise invalid(f"{_HEADER} occurs too often.")
    if not all(value.startswith(_PREFIX) for value in values):
        raise invalid(f"{_HEADER} must start with {_PREFIX}.")
    return [hex_digest(value.removeprefix(_PREFIX)) for value in values]


def _payment(reading: Reading, entity: Path) -> Event | None:
    status = reading.text(*entity, "status")
    kind, happened = _PAYMENT_STATUSES.get(status, (None, ""))
    # What was captured, where that is less than the whole; running totals of refunds and chargebacks are left to these.
    captured = kind is Kind.CAPTURED and reading.at(*entity, "amountCaptured") is not None
    money = (*entity, "amountCaptured" if captured else "amount")
    # A payment of nothing only registers the payer's mandate.
    if kind is None or reading.is_zero(*money, "value"):
        return None
    tx_id = reading.tx_id(*entity, "id")
    amount = _amount(reading, money)
    return stated(
        kind,
        tx_id=tx_id,
        event_id=f"{tx_id}:{status}:{amount[0]}",
        amount=amount,
        happened_ms=reading.iso_ms(*entity, happened),
        sender=reading.account(*entity, "customerId"),
        receiver=reading.account(*entity, "profileId"),
        description=reading.description(*entity, "description"),
    )


def _capture(reading: Reading, entity: Path) -> Event | None:
    """Return what one capture adds; the payment's own running total and the sum of its captures count as the larger."""
    kind = _CAPTURE_STATUSES.get(reading.text(*entity, "status"))
    if kind is None:
        return None
    tx_id = reading.tx_id(*entity, "paymentId")
    # By the rule of a payment's id, which leaves room for what the event's id continues it with.
    capture = reading.tx_id(*entity, "id")
    amount, currency, exponent = NO_AMOUNT if kind in ENDS_WHOLE else _amount(reading, (*entity, "amount"))
    created_ms = reading.iso_ms(*entity, "createdAt")
    return Event(
        tx_id=tx_id,
        kind=kind,
        event_id=f"{capture}:{kind.name.lower()}",
        # A capture that failed was never counted, so it ends only itself.
        object_id=capture if kind in ENDS_WHOLE else "",
        amount_minor=amount,
        currency=currency,
        exponent=exponent,
        basis=Basis.DELTA,
        event_time_ms=created_ms,
        event_time_signed=created_ms > 0,
    )


def _refund(reading: Reading, entity: Path) -> Event | None:
    kind = _REFUND_STATUSES.get(reading.text(*entity, "status"))
    return None if kind is None else _object(reading, entity, kind, "createdAt")


def _chargeback(reading: Reading, entity: Path) -> Event:
    reversed_ = reading.at(*entity, "reversedAt") is not None
    kind = Kind.DISPUTE_WON if reversed_ else Kind.DISPUTE_OPENED
    reason = by_table(reading.text(*entity, "reason", "code"), _REASONS)
    return _object(reading, entity, kind, "reversedAt" if reversed_ else "createdAt", reason)


def _object(
    reading: Reading,
    entity: Path,
    kind: Kind,
    happened: str,
    reason: DisputeReason = DisputeReason.UNSPECIFIED,
) -> Event:
    """Return what a refund or chargeback states of itself."""
    tx_id = reading.tx_id(*entity, "paymentId")
    # By the rule of a payment's id, which leaves room for what the event's id continues it with.
    object_id = reading.tx_id(*entity, "id")
    return stated(
        kind,
        tx_id=tx_id,
        event_id=f"{object_id}:{kind.name.lower()}",
        object_id=object_id,
        amount=NO_AMOUNT if kind in ENDS_WHOLE else _amount(reading, (*entity, "amount")),
        happened_ms=reading.iso_ms(*entity, happened),
        reason=reason,
    )


def _amount(reading: Reading, path: Path) -> Amount:
    return reading.major_units((*path, "value"), (*path, "currency"))


PROVIDER: Final[Provider] = MollieProvider()
