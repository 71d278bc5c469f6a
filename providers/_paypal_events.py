"""PayPal's events: https://developer.paypal.com/api/rest/webhooks/event-names/."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from providers import money
from providers.contract import DisputeReason, Event, Kind
from providers.dispute_reasons import by_table
from providers.reading import Path, Reading
from providers.stating import NO_AMOUNT, Amount, stated

_RESOURCE: Final[Path] = ("resource",)
_UP: Final = re.compile(
    r"https://[a-z.-]+\.paypal\.com/v[12]/(?:payments|checkout)/(orders|authorizations|captures)/([A-Za-z0-9_-]{1,100})"
).fullmatch
_LINKS_MAX: Final = 16
_ID_CHARACTERS_MAX: Final = 200
_DISPUTED_MAX: Final = 16

Told = Callable[[Reading], Sequence[Event]]


def telling(event_type: str) -> Told | None:
    """Return what reads an event of this type, None where the type means nothing to payments."""
    return _TYPES.get(event_type)


# What the older API calls total and currency is value and currency_code in the newer.
def _amount(reading: Reading, path: Path) -> Amount:
    if reading.at(*path, "total") is not None:
        return _old_amount(reading, path)
    return reading.major_units((*path, "value"), (*path, "currency_code"))


def _old_amount(reading: Reading, path: Path) -> Amount:
    code, exponent = reading.currency((*path, "currency"))
    value = reading.at(*path, "total")
    if not code:
        return NO_AMOUNT
    try:
        # What flows back is written below zero there; which way it flows is said by the event.
        digits, power = money.read(value.removeprefix("-") if isinstance(value, str) else "")
        return money.to_minor_units(digits, power, exponent), code, exponent
    except money.AmountError as error:
        reading.refuse((*path, "total"), str(error))
        return NO_AMOUNT


def _up(reading: Reading) -> Mapping[str, str]:
    """Return the ids of what the resource is part of, by what they are, as its links say."""
    links = reading.at(*_RESOURCE, "links")
    found: dict[str, str] = {}
    for place in range(min(len(links), _LINKS_MAX) if isinstance(links, list) else 0):
        matched = _UP(reading.text(*_RESOURCE, "links", place, "href"))
        if matched is not None and reading.text(*_RESOURCE, "links", place, "rel") == "up":
            found[matched[1]] = matched[2]
    return found


def _related(reading: Reading, name: str, kind: str, up: Mapping[str, str]) -> str:
    """Return the id of an order or authorization that the resource belongs to, empty where it names none."""
    path: Path = (*_RESOURCE, "supplementary_data", "related_ids", name)
    return up.get(kind, "") if reading.at(*path) is None else reading.tx_id(*path)


def _payment(reading: Reading) -> tuple[str, tuple[str, ...]]:
    """Return the payment of an authorization, a capture or a sale, and its other ids."""
    own, up = reading.tx_id(*_RESOURCE, "id"), _up(reading)
    order = _related(reading, "order_id", "orders", up)
    authorization = _related(reading, "authorization_id", "authorizations", up)
    parent = ""
    if reading.at(*_RESOURCE, "parent_payment") is not None:
        parent = reading.tx_id(*_RESOURCE, "parent_payment")
    aliases = sorted({authorization, parent, own} - {""})
    return order or parent or authorization or own, tuple(aliases)


def _event(
    reading: Reading,
    kind: Kind,
    payment: tuple[str, tuple[str, ...]],
    *,
    object_id: str = "",
    amount: Amount = NO_AMOUNT,
    event_suffix: str = "",
    reason: DisputeReason = DisputeReason.UNSPECIFIED,
) -> Event:
    tx_id, aliases = payment
    return stated(
        kind,
        tx_id=tx_id,
        event_id=reading.identifier("id") + event_suffix,
        object_id=object_id,
        amount=amount,
        happened_ms=reading.iso_ms("create_time"),
        receiver=reading.account(*_RESOURCE, "payee", "merchant_id"),
        aliases=aliases,
        reason=reason,
    )


def _part(kind: Kind) -> Told:
    """Return how an authorization, a capture or a sale is told, whose whole amount belongs to itself."""

    def told(reading: Reading) -> Sequence[Event]:
        own = reading.tx_id(*_RESOURCE, "id")
        amount = _amount(reading, (*_RESOURCE, "amount"))
        return (_event(reading, kind, _payment(reading), object_id=own, amount=amount),)

    return told


def _whole(kind: Kind) -> Told:
    """Return how something is told that has no amount of its own."""
    return lambda reading: (_event(reading, kind, _payment(reading)),)


def _approved(reading: Reading) -> Sequence[Event]:
    units = reading.at(*_RESOURCE, "purchase_units")
    amount = NO_AMOUNT
    if isinstance(units, list) and len(units) == 1:
        amount = _amount(reading, (*_RESOURCE, "purchase_units", 0, "amount"))
    return (_event(reading, Kind.PENDING, (reading.tx_id(*_RESOURCE, "id"), ()), amount=amount),)


def _approval_reversed(reading: Reading) -> Sequence[Event]:
    return (_event(reading, Kind.CANCELED, (reading.tx_id(*_RESOURCE, "order_id"), ())),)


def _refunded_payment(reading: Reading) -> tuple[str, tuple[str, ...]]:
    """Return the payment that a refund is of; the newer API names only the capture."""
    for name in ("parent_payment", "sale_id"):
        if reading.at(*_RESOURCE, name) is not None:
            return reading.tx_id(*_RESOURCE, name), ()
    if reading.at(*_RESOURCE, "capture_id") is not None:
        return "", (reading.identifier(*_RESOURCE, "capture_id"),)
    capture = _up(reading).get("captures", "")
    if not capture:
        reading.refuse((*_RESOURCE, "links"), "must name the capture that is refunded")
    return "", (capture,)


def _refund(kind: Kind) -> Told:
    def told(reading: Reading) -> Sequence[Event]:
        payment, refund = _refunded_payment(reading), reading.identifier(*_RESOURCE, "id")
        if kind is Kind.RETURNED:
            return (_event(reading, kind, payment),)
        return (_event(reading, kind, payment, object_id=refund, amount=_amount(reading, (*_RESOURCE, "amount"))),)

    return told


def _dispute(reading: Reading) -> Sequence[Event]:
    dispute = reading.identifier(*_RESOURCE, "dispute_id")
    kind: Kind | None = Kind.DISPUTE_OPENED
    if reading.text(*_RESOURCE, "status") == "RESOLVED":
        path: Path = (*_RESOURCE, "dispute_outcome", "outcome_code")
        kind = _OUTCOMES.get(reading.text(*path))
        if kind is None:
            reading.refuse(path, f"must be one of {', '.join(_OUTCOMES)}")
    disputed = reading.at(*_RESOURCE, "disputed_transactions")
    count = len(disputed) if isinstance(disputed, list) else 0
    if not 0 < count <= _DISPUTED_MAX:
        reading.refuse((*_RESOURCE, "disputed_transactions"), f"must be 1 to {_DISPUTED_MAX} transactions")
        return ()
    if kind is None:
        return ()
    if count == 1:
        return (_disputed(reading, kind, dispute, 0, amount=(*_RESOURCE, "dispute_amount")),)
    # The dispute's amount is that of all its transactions together: each is an object of its own.
    return [_disputed(reading, kind, dispute, place) for place in range(count)]


def _disputed(reading: Reading, kind: Kind, dispute: str, place: int, *, amount: Path | None = None) -> Event:
    path: Path = (*_RESOURCE, "disputed_transactions", place)
    transaction = reading.identifier(*path, "seller_transaction_id")
    suffix = "" if amount is not None else f":{transaction}"
    if suffix and max(len(dispute), len(reading.text("id"))) + len(suffix) > _ID_CHARACTERS_MAX:
        reading.refuse((*path, "seller_transaction_id"), "is too long beside the dispute's id and the event's")
    return _event(
        reading,
        kind,
        ("", (transaction,)),
        object_id=dispute + suffix,
        amount=_amount(reading, amount or (*path, "gross_amount")),
        event_suffix=suffix,
        reason=by_table(reading.text(*_RESOURCE, "reason"), _REASONS),
    )


# A payout is PayPal's own money: the seller keeps the payment.
_OUTCOMES: Final[Mapping[str, Kind]] = {
    "RESOLVED_BUYER_FAVOUR": Kind.DISPUTE_LOST,
    "ACCEPTED": Kind.DISPUTE_LOST,
    "RESOLVED_SELLER_FAVOUR": Kind.DISPUTE_WON,
    "RESOLVED_WITH_PAYOUT": Kind.DISPUTE_WON,
    "CANCELED_BY_BUYER": Kind.DISPUTE_WON,
    "DENIED": Kind.DISPUTE_WON,
    "NONE": Kind.DISPUTE_WON,
}

_REASONS: Final[Mapping[str, DisputeReason]] = {
    "UNAUTHORISED": DisputeReason.FRAUD,
    "MERCHANDISE_OR_SERVICE_NOT_RECEIVED": DisputeReason.NOT_RECEIVED,
    "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED": DisputeReason.NOT_AS_DESCRIBED,
    "CREDIT_NOT_PROCESSED": DisputeReason.CREDIT_NOT_PROCESSED,
    "DUPLICATE_TRANSACTION": DisputeReason.DUPLICATE,
    "PAYMENT_BY_OTHER_MEANS": DisputeReason.DUPLICATE,
    "INCORRECT_AMOUNT": DisputeReason.WRONG_AMOUNT,
    "CANCELED_RECURRING_BILLING": DisputeReason.CANCELED,
    "PROBLEM_WITH_REMITTANCE": DisputeReason.PROCESSING,
}

_TYPES: Final[Mapping[str, Told]] = {
    "CHECKOUT.ORDER.APPROVED": _approved,
    "CHECKOUT.PAYMENT-APPROVAL.REVERSED": _approval_reversed,
    "PAYMENT.AUTHORIZATION.CREATED": _part(Kind.AUTHORIZED),
    "PAYMENT.AUTHORIZATION.VOIDED": _whole(Kind.CANCELED),
    "PAYMENT.CAPTURE.PENDING": _part(Kind.PENDING),
    "PAYMENT.CAPTURE.COMPLETED": _part(Kind.CAPTURED),
    "PAYMENT.CAPTURE.DENIED": _whole(Kind.FAILED),
    "PAYMENT.CAPTURE.DECLINED": _whole(Kind.FAILED),
    "PAYMENT.CAPTURE.REFUNDED": _refund(Kind.REFUNDED),
    "PAYMENT.CAPTURE.REVERSED": _refund(Kind.RETURNED),
    "PAYMENT.REFUND.FAILED": _refund(Kind.REFUND_FAILED),
    "PAYMENT.SALE.PENDING": _part(Kind.PENDING),
    "PAYMENT.SALE.COMPLETED": _part(Kind.CAPTURED),
    "PAYMENT.SALE.DENIED": _whole(Kind.FAILED),
    "PAYMENT.SALE.REFUNDED": _refund(Kind.REFUNDED),
    "PAYMENT.SALE.REVERSED": _refund(Kind.RETURNED),
    "CUSTOMER.DISPUTE.CREATED": _dispute,
    "CUSTOMER.DISPUTE.UPDATED": _dispute,
    "CUSTOMER.DISPUTE.RESOLVED": _dispute,
}
