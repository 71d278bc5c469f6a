"""Adyen's payment webhooks: a batch of items, each signed by itself over eight of its fields.

The codes are those of https://docs.adyen.com/development-resources/webhooks/webhook-types; what is not signed there
(reason, eventDate, live, additionalData) is a hint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from providers.dispute_reasons import by_network_code
from providers.reading import Path, Reading
from providers.strict_json import MalformedError, parse_exact
from providers.verification import base64_digest, invalid, key_of

_ITEMS: Final = "notificationItems"
_ITEM: Final = "NotificationRequestItem"
# The ledger takes 100 events of a delivery, and an item may be two.
_ITEMS_MAX: Final = 50
# https://docs.adyen.com/development-resources/currency-codes marks these four as different from the standard.
_DECIMALS: Final[Mapping[str, int]] = {"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2}
_BOOLEANS: Final[Mapping[object, str]] = {True: "true", False: "false"}
_LIVE: Final[Mapping[str, bool]] = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What an event code means for the payment.

    Attributes:
        kind: what happened.
        by_original: whether the payment is the one that originalReference names, else the item's own.
        amount: whether the item's amount belongs to the event.
        object_suffix: what the item's reference is continued with to name the object; None for the payment itself.
        basis: how the amount counts.
    """

    kind: Kind
    by_original: bool = True
    amount: bool = True
    object_suffix: str | None = ""
    basis: Basis = Basis.DELTA


_WHOLE: Final = Basis.CUMULATIVE
_DISPUTES: Final = frozenset({Kind.DISPUTE_OPENED, Kind.DISPUTE_WON, Kind.DISPUTE_LOST})
# A second chargeback comes after the first was reversed, in the same dispute: it withholds the amount anew.
_SECOND: Final = ":second"
# By event code and whether it succeeded; what is not here means nothing to a payment, or nothing that is signed.
_MEANINGS: Final[Mapping[tuple[str, str], _Meaning]] = {
    ("AUTHORISATION", "true"): _Meaning(Kind.AUTHORIZED, by_original=False, object_suffix=None, basis=_WHOLE),
    ("AUTHORISATION", "false"): _Meaning(Kind.FAILED, by_original=False, object_suffix=None, basis=_WHOLE),
    ("PENDING", "true"): _Meaning(Kind.PENDING, by_original=False, object_suffix=None, basis=_WHOLE),
    ("OFFER_CLOSED", "true"): _Meaning(Kind.FAILED, by_original=False, object_suffix=None, basis=_WHOLE),
    ("AUTHORISATION_ADJUSTMENT", "true"): _Meaning(Kind.AUTHORIZED, object_suffix=None, basis=_WHOLE),
    ("CAPTURE", "true"): _Meaning(Kind.CAPTURED),
    ("CAPTURE", "false"): _Meaning(Kind.CAPTURE_FAILED),
    ("CAPTURE_FAILED", "true"): _Meaning(Kind.CAPTURE_FAILED),
    ("CANCELLATION", "true"): _Meaning(Kind.CANCELED, amount=False, object_suffix=None),
    ("TECHNICAL_CANCEL", "true"): _Meaning(Kind.CANCELED, amount=False, object_suffix=None),
    ("EXPIRE", "true"): _Meaning(Kind.CANCELED, amount=False, object_suffix=None),
    # Which of the two it was is not signed; either way the payer has all of it back.
    ("CANCEL_OR_REFUND", "true"): _Meaning(Kind.RETURNED, amount=False, object_suffix=None),
    ("REFUND", "true"): _Meaning(Kind.REFUNDED),
    ("REFUND", "false"): _Meaning(Kind.REFUND_FAILED),
    ("REFUND_FAILED", "true"): _Meaning(Kind.REFUND_FAILED),
    ("REFUNDED_REVERSED", "true"): _Meaning(Kind.REFUND_FAILED),
    # Questions (REQUEST_FOR_INFORMATION) and fraud reports withhold nothing. All events of a dispute share a reference.
    ("NOTIFICATION_OF_CHARGEBACK", "true"): _Meaning(Kind.DISPUTE_OPENED, basis=_WHOLE),
    ("CHARGEBACK", "true"): _Meaning(Kind.DISPUTE_OPENED, basis=_WHOLE),
    ("CHARGEBACK_REVERSED", "true"): _Meaning(Kind.DISPUTE_WON, basis=_WHOLE),
    ("SECOND_CHARGEBACK", "true"): _Meaning(Kind.DISPUTE_LOST, object_suffix=_SECOND, basis=_WHOLE),
    ("PREARBITRATION_LOST", "true"): _Meaning(Kind.DISPUTE_LOST, object_suffix=_SECOND, basis=_WHOLE),
    ("PREARBITRATION_WON", "true"): _Meaning(Kind.DISPUTE_WON, object_suffix=_SECOND, basis=_WHOLE),
}


class AdyenProvider:
    """Standard webhooks for payments, as JSON. A payment is the reference of its authorisation."""

    name: Final = "adyen"
    native: Final = False
    kept_headers: Final = ("user-agent", "content-type")
    acknowledgement: Final = Acknowledgement(b"[accepted]", "text/plain")

    def __init__(self, *, live: bool | None = None, automatic_capture: bool = False) -> None:
        """Take an authorisation for a capture, too, where Adyen captures by itself and says no more about it."""
        self._live = live
        self._automatic_capture = automatic_capture

    def configured(self, options: Options) -> AdyenProvider:
        """Return it for the mode that the options say, with the table's `automatic_capture`.

        Raises:
            ValueError: it is no boolean.
        """
        automatic = options.table.get("automatic_capture", False)
        if not isinstance(automatic, bool):
            raise ValueError("automatic_capture must be true or false")  # noqa: TRY004 - as the contract says
        return AdyenProvider(live=options.live, automatic_capture=automatic)

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check the signature of every item; no time is signed, so de-duplication is what stops replays.

        Raises:
            Refused: as the contract says.
        """
        del headers, now_s, window
        try:
            root = parse_exact(body)
        except MalformedError:
            raise invalid("The body is not strict JSON.") from None
        items = root.get(_ITEMS) if isinstance(root, dict) else None
        if not isinstance(items, list) or not items:
            raise invalid("The body holds no notification items.")
        key_ids = [_key_id(item, secrets) for item in items]
        return Verified(key_ids[0], body, None)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return what the items say of payments, in their order.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        reading = Reading(body)
        reading.check_mode("live", stated_live=_LIVE.get(reading.text("live")), expected_live=self._live)
        items = reading.at(_ITEMS)
        count = len(items) if isinstance(items, list) else 0
        if count > _ITEMS_MAX:
            reading.refuse((_ITEMS,), f"must be at most {_ITEMS_MAX}")
            count = 0
        events = [event for place in range(count) for event in self._events(reading, (_ITEMS, place, _ITEM))]
        reading.check()
        return events

    def _events(self, reading: Reading, item: Path) -> Sequence[Event]:
        code, success = reading.text(*item, "eventCode"), _text(reading.at(*item, "success"))
        meaning = _MEANINGS.get((code, success or ""))
        # A card that is only checked is authorised for nothing: that is no payment.
        if meaning is None or (meaning.amount and reading.is_zero(*item, "amount", "value")):
            return ()
        # By the rule of a payment's id, which leaves room for what the ids of events continue it with.
        own = reading.tx_id(*item, "pspReference")
        minor, currency, exponent = (None, "", 0)
        if meaning.amount:
            minor, currency, exponent = reading.minor_units(
                (*item, "amount", "value"), (*item, "amount", "currency"), decimals=_DECIMALS
            )
        kinds: Sequence[Kind] = (meaning.kind,)
        if self._automatic_capture and code == "AUTHORISATION" and success == "true":
            kinds = (meaning.kind, Kind.CAPTURED)
        tx_id = reading.tx_id(*item, "originalReference" if meaning.by_original else "pspReference")
        return [
            Event(
                tx_id=tx_id,
                kind=kind,
                event_id=f"{own}:{code}:{success}" + (":captured" if kind is not meaning.kind else ""),
                object_id="" if meaning.object_suffix is None else own + meaning.object_suffix,
                amount_minor=minor,
                currency=currency,
                exponent=exponent,
                basis=meaning.basis,
                receiver_account=reading.account(*item, "merchantAccountCode"),
                # Not signed: it says when to a reader, and orders nothing.
                event_time_ms=reading.iso_ms(*item, "eventDate"),
                dispute_reason=_reason(reading, item) if kind in _DISPUTES else DisputeReason.UNSPECIFIED,
            )
            for kind in kinds
        ]


def _reason(reading: Reading, item: Path) -> DisputeReason:
    """Return why it is disputed. Not signed: it teaches the detector, whose word is a hint, and decides nothing."""
    return by_network_code(reading.text(*item, "additionalData", "chargebackReasonCode"))


def _key_id(item: object, secrets: Sequence[Secret]) -> str:
    """Return the id of the key that signed an item.

    Raises:
        Refused: none did.
    """
    fields = item.get(_ITEM) if isinstance(item, dict) else None
    if not isinstance(fields, dict):
        raise invalid("An item holds no request.")
    amount, additional = fields.get("amount"), fields.get("additionalData")
    money = amount if isinstance(amount, dict) else {}
    signature = additional.get("hmacSignature") if isinstance(additional, dict) else None
    if type(signature) is not str:
        raise invalid("An item carries no signature.")
    before = [_text(fields.get(name)) for name in ("pspReference", "originalReference", "merchantAccountCode")]
    after = [_text(value) for value in (money.get("value"), money.get("currency"))]
    after += [_text(fields.get(name)) for name in ("eventCode", "success")]
    reference = _text(fields.get("merchantReference"))
    # Joined without escapes: with a colon elsewhere the same text could be divided into other fields.
    if reference is None or any(text is None or ":" in text for text in (*before, *after)):
        raise invalid("A signed field of an item is not plain text.")
    signed = ":".join([text or "" for text in (*before, reference, *after)])
    return key_of((base64_digest(signature),), signed.encode("utf-8", "surrogatepass"), secrets, key=_key)


def _text(value: object) -> str | None:
    """Return a field as it is signed, a missing one as nothing; None for what is no text, number or boolean."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _BOOLEANS[value]
    return str(value) if isinstance(value, str) else None


def _key(value: str) -> bytes:
    """Return the key that a secret in hexadecimal stands for; none, which verifies nothing, for any other text."""
    try:
        return bytes.fromhex(value)
    except ValueError:
        return b""


PROVIDER: Final[Provider] = AdyenProvider()
