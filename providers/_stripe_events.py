"""Stripe's events, as https://docs.stripe.com/api/events/types names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from providers.contract import Basis, DisputeReason, Event, Kind
from providers.dispute_reasons import by_word
from providers.reading import Path, Reading
from providers.strict_json import NumberToken

# https://docs.stripe.com/currencies#special-cases: ISK and UGX keep two decimals, always 00, for compatibility (of ISK
# also https://support.stripe.com/questions/deprecation-of-fractional-isk-charges-and-refunds), and
# https://docs.stripe.com/currencies#zero-decimal has MGA, whose fifths it does not count.
_DECIMALS: Final[Mapping[str, int]] = {"ISK": 2, "UGX": 2, "MGA": 0}
# https://docs.stripe.com/changelog/basil/2025-03-31: before it, what is released uncaptured counts as refunded.
_RELEASES_APART: Final = "2025-03-31"
_OBJECT: Final[Path] = ("data", "object")
_DIGITS_MAX: Final = 18

# A payment's id, empty where only its aliases are known, and those.
Payment = tuple[str, tuple[str, ...]]


def telling(event_type: str) -> Callable[[Notice], Sequence[Event]] | None:
    """Return what reads an event of this type, None where the type means nothing to payments."""
    return _TYPES.get(event_type)


class Notice:
    """One event, as the handlers of its type read it."""

    __slots__ = ("_event_id", "_time_ms", "reading")

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._event_id = reading.identifier("id")
        self._time_ms = reading.seconds_ms("created")

    def text(self, name: str) -> str:
        """Return a text of the object, empty where there is none."""
        return self.reading.text(*_OBJECT, name)

    def whole(self, name: str) -> int:
        """Return a whole number of the object as it stands, 0 where there is none."""
        value = self.reading.at(*_OBJECT, name)
        plain = type(value) is NumberToken and len(value) <= _DIGITS_MAX and value.isascii() and value.isdigit()
        return int(str(value)) if plain else 0

    @property
    def releases_are_refunds(self) -> bool:
        """Whether what is released uncaptured is told as a refund, by the version that the event is written in."""
        return self.reading.text("api_version") < _RELEASES_APART

    def event(
        self,
        kind: Kind,
        payment: Payment,
        amount: str = "",
        *,
        less: int = 0,
        basis: Basis = Basis.CUMULATIVE,
        object_id: str = "",
        event_id: str = "",
        parties: bool = False,
        reason: DisputeReason = DisputeReason.UNSPECIFIED,
    ) -> Event:
        """Return one event of a payment, with the amount of that name, less what of it does not count."""
        minor, code, exponent = self._money(amount, less) if amount else (None, "", 0)
        tx_id, aliases = payment
        return Event(
            tx_id=tx_id,
            kind=kind,
            event_id=event_id or self._event_id,
            object_id=object_id,
            amount_minor=minor,
            currency=code,
            exponent=exponent,
            basis=basis,
            sender_account=self.reading.account(*_OBJECT, "customer") if parties else "",
            receiver_account=self.reading.account("account") if parties else "",
            event_time_ms=self._time_ms,
            event_time_signed=self._time_ms > 0,
            aliases=aliases,
            dispute_reason=reason,
        )

    def _money(self, name: str, less: int) -> tuple[int | None, str, int]:
        path = (*_OBJECT, name)
        code, exponent = self.reading.currency((*_OBJECT, "currency"))
        value = self.reading.whole(*path)
        if value is None or not code:
            return None, code, exponent
        return self.reading.scaled(value - less, path, _DECIMALS.get(code, exponent), exponent), code, exponent

    def released(self, payment: Payment, captured: int) -> Event:
        """Return that what was not captured never was refunded, though Stripe tells it so; of nothing captured, all."""
        amount, name = ("amount", "released") if captured else ("", "canceled")
        id_ = f"{payment[0]}:{name}"
        return self.event(Kind.REFUND_FAILED, payment, amount, less=captured, basis=Basis.DELTA, event_id=id_)

    def of_intent(self) -> Payment:
        """Return the payment of an intent, with the charge that it made last."""
        payment = self.reading.tx_id(*_OBJECT, "id")
        for path in (("latest_charge",), ("charges", "data", 0, "id")):
            if self.reading.at(*_OBJECT, *path) is not None:
                return payment, (self.reading.identifier(*_OBJECT, *path),)
        return payment, ()

    def of_charge(self) -> Payment:
        """Return the payment of a charge: its intent's, else its own."""
        charge = self.reading.tx_id(*_OBJECT, "id")
        if self.reading.at(*_OBJECT, "payment_intent") is None:
            return charge, (charge,)
        return self.reading.tx_id(*_OBJECT, "payment_intent"), (charge,)

    def of_part(self) -> Payment | None:
        """Return the payment that a refund or dispute is part of; None where it is of no payment."""
        told = self.reading.at(*_OBJECT)
        part = told if isinstance(told, dict) else {}
        charge = self.reading.identifier(*_OBJECT, "charge") if part.get("charge") is not None else ""
        aliases = (charge,) if charge else ()
        if part.get("payment_intent") is not None:
            return self.reading.tx_id(*_OBJECT, "payment_intent"), aliases
        if not charge:
            return None
        # Null says that the charge has no intent; versions that say nothing know only the charge.
        return self.reading.tx_id(*_OBJECT, "charge") if "payment_intent" in part else "", aliases


def _intent(kind: Kind) -> Callable[[Notice], Sequence[Event]]:
    return lambda notice: (notice.event(kind, notice.of_intent(), "amount"),)


def _intent_authorized(notice: Notice) -> Sequence[Event]:
    # Nothing is left to capture once it is captured or given up.
    if not notice.whole("amount_capturable"):
        return ()
    return (notice.event(Kind.AUTHORIZED, notice.of_intent(), "amount_capturable", parties=True),)


def _intent_succeeded(notice: Notice) -> Sequence[Event]:
    payment, received = notice.of_intent(), notice.whole("amount_received")
    captured = notice.event(Kind.CAPTURED, payment, "amount_received", parties=True)
    if notice.releases_are_refunds and 0 < received < notice.whole("amount"):
        return captured, notice.released(payment, received)
    return (captured,)


def _intent_canceled(notice: Notice) -> Sequence[Event]:
    payment = notice.of_intent()
    canceled = notice.event(Kind.CANCELED, payment, "amount")
    if notice.releases_are_refunds and not notice.whole("amount_received"):
        return canceled, notice.released(payment, 0)
    return (canceled,)


def _charge(kind: Kind) -> Callable[[Notice], Sequence[Event]]:
    return lambda notice: (notice.event(kind, notice.of_charge(), "amount"),)


def _charge_succeeded(notice: Notice) -> Sequence[Event]:
    if notice.reading.at(*_OBJECT, "captured") is False:
        return (notice.event(Kind.AUTHORIZED, notice.of_charge(), "amount", parties=True),)
    return (notice.event(Kind.CAPTURED, notice.of_charge(), "amount", parties=True),)


def _charge_captured(notice: Notice) -> Sequence[Event]:
    payment, amount = notice.of_charge(), notice.whole("amount")
    # Versions before 2020-08-27 don't say what was captured; what is refunded at that moment was released.
    told = notice.reading.at(*_OBJECT, "amount_captured") is not None
    less = 0 if told else notice.whole("amount_refunded")
    captured = notice.event(Kind.CAPTURED, payment, "amount_captured" if told else "amount", less=less, parties=True)
    return captured, *_released(notice, payment, notice.whole("amount_captured") if told else amount - less)


def _charge_canceled(notice: Notice) -> Sequence[Event]:
    payment = notice.of_charge()
    canceled = notice.event(Kind.CANCELED, payment, "amount")
    return (canceled, notice.released(payment, 0)) if notice.releases_are_refunds else (canceled,)


def _charge_refunded(notice: Notice) -> Sequence[Event]:
    if notice.reading.at(*_OBJECT, "captured") is False:
        return _charge_canceled(notice)
    payment = notice.of_charge()
    refunded = notice.event(Kind.REFUNDED, payment, "amount_refunded")
    return refunded, *_released(notice, payment, notice.whole("amount_captured"))


def _released(notice: Notice, payment: Payment, captured: int) -> Sequence[Event]:
    """Return what a partial capture released, where the charge's refunds hold it."""
    released = notice.whole("amount") - captured
    counted = notice.releases_are_refunds and 0 < released <= notice.whole("amount_refunded")
    return (notice.released(payment, captured),) if captured and counted else ()


def _refund(notice: Notice) -> Sequence[Event]:
    payment = notice.of_part()
    status = notice.text("status")
    # An authorization that ran out, and a refund that waits for the payer's bank details, gave nothing back.
    if payment is None or status == "requires_action" or notice.text("reason") == "expired_uncaptured_charge":
        return ()
    undone = _REFUND_STATES.get(status)
    if undone is None:
        notice.reading.refuse((*_OBJECT, "status"), f"must be one of {', '.join(filter(None, _REFUND_STATES))}")
    # Named by the refund, because several events tell of it: its amount counts once.
    refund = notice.reading.tx_id(*_OBJECT, "id")
    return [
        notice.event(kind, payment, "amount", basis=Basis.DELTA, event_id=f"{refund}:{kind.name.lower()}")
        for kind in ((Kind.REFUNDED, Kind.REFUND_FAILED) if undone else (Kind.REFUNDED,))
    ]


# Whether nothing is given back after all; the oldest versions have no status.
_REFUND_STATES: Final[Mapping[str, bool]] = {
    "": False,
    "pending": False,
    "succeeded": False,
    "failed": True,
    "canceled": True,
}


def _dispute(notice: Notice) -> Sequence[Event]:
    payment = notice.of_part()
    status = notice.text("status")
    if status not in _DISPUTE_STATES:
        notice.reading.refuse((*_OBJECT, "status"), "must be a status of a dispute")
    kind = _DISPUTE_STATES.get(status)
    if payment is None or kind is None:
        return ()
    dispute = notice.reading.identifier(*_OBJECT, "id")
    return (notice.event(kind, payment, "amount", object_id=dispute, reason=by_word(notice.text("reason"))),)


# An inquiry ("warning") and what was prevented took no money; a dispute closed by a refund takes none besides.
_DISPUTE_STATES: Final[Mapping[str, Kind | None]] = {
    "warning_needs_response": None,
    "warning_under_review": None,
    "warning_closed": None,
    "prevented": None,
    "needs_response": Kind.DISPUTE_OPENED,
    "under_review": Kind.DISPUTE_OPENED,
    "charge_refunded": Kind.DISPUTE_WON,
    "won": Kind.DISPUTE_WON,
    "lost": Kind.DISPUTE_LOST,
}

_TYPES: Final[Mapping[str, Callable[[Notice], Sequence[Event]]]] = {
    "payment_intent.created": _intent(Kind.PENDING),
    "payment_intent.processing": _intent(Kind.PENDING),
    "payment_intent.requires_action": _intent(Kind.PENDING),
    "payment_intent.partially_funded": _intent(Kind.PENDING),
    "payment_intent.amount_capturable_updated": _intent_authorized,
    "payment_intent.succeeded": _intent_succeeded,
    "payment_intent.payment_failed": _intent(Kind.FAILED),
    "payment_intent.canceled": _intent_canceled,
    "charge.pending": _charge(Kind.PENDING),
    "charge.succeeded": _charge_succeeded,
    "charge.captured": _charge_captured,
    "charge.failed": _charge(Kind.FAILED),
    "charge.expired": _charge_canceled,
    "charge.refunded": _charge_refunded,
    "charge.refund.updated": _refund,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.closed": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
}
