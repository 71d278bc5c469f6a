"""Shopify: HMAC-SHA256 of the body in base64; what a body is, is told by its content, since no topic is signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from providers.contract import (
    Acknowledgement,
    Event,
    HeaderLookup,
    Kind,
    Options,
    Provider,
    Secret,
    Verified,
    Window,
)
from providers.dispute_reasons import by_word
from providers.reading import Path, Reading
from providers.stating import ENDS_WHOLE, NO_AMOUNT, stated
from providers.verification import base64_digest, key_of, required

_TRANSACTIONS_MAX: Final = 50
# A sale reserves and takes in one step. Without the first half, a capture of another card of the same order would
# look like more than was authorized.
_KINDS: Final[Mapping[tuple[str, str], tuple[Kind, ...]]] = {
    ("authorization", "pending"): (Kind.PENDING,),
    ("authorization", "success"): (Kind.AUTHORIZED,),
    ("authorization", "failure"): (Kind.FAILED,),
    ("authorization", "error"): (Kind.FAILED,),
    ("sale", "pending"): (Kind.PENDING,),
    ("sale", "success"): (Kind.AUTHORIZED, Kind.CAPTURED),
    ("sale", "failure"): (Kind.FAILED,),
    ("sale", "error"): (Kind.FAILED,),
    ("capture", "success"): (Kind.CAPTURED,),
    ("capture", "failure"): (Kind.CAPTURE_FAILED,),
    ("capture", "error"): (Kind.CAPTURE_FAILED,),
    ("void", "success"): (Kind.CANCELED,),
    ("refund", "success"): (Kind.REFUNDED,),
    ("refund", "failure"): (Kind.REFUND_FAILED,),
    ("refund", "error"): (Kind.REFUND_FAILED,),
}
_DISPUTES: Final[Mapping[str, Kind]] = {
    "needs_response": Kind.DISPUTE_OPENED,
    "under_review": Kind.DISPUTE_OPENED,
    "won": Kind.DISPUTE_WON,
    # Ended by a refund, which is stated by itself: nothing is withheld any more.
    "charge_refunded": Kind.DISPUTE_WON,
    "lost": Kind.DISPUTE_LOST,
    "accepted": Kind.DISPUTE_LOST,
}


class ShopifyProvider:
    """Shopify's webhooks `order_transactions/create`, `refunds/create`, `disputes/create` and `disputes/update`.

    The payment is the order: a dispute knows nothing else. Topic, webhook id, test flag and shop are in headers that
    nothing signs, so they decide nothing here.
    """

    name: Final = "shopify"
    native: Final = False
    kept_headers: Final = (
        "x-shopify-topic",
        "x-shopify-webhook-id",
        "x-shopify-event-id",
        "x-shopify-shop-domain",
        "x-shopify-api-version",
        "x-shopify-triggered-at",
        "content-type",
    )
    acknowledgement: Final = Acknowledgement()

    def __init__(self, *, live: bool | None = None) -> None:
        """Expect live or test payments; None for either."""
        self._live = live

    def configured(self, options: Options) -> ShopifyProvider:
        """Return it with what the source expects of a transaction's `test`."""
        return ShopifyProvider(live=options.live)

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check the signature over the body; no time is signed.

        Raises:
            Refused: as the contract says.
        """
        del now_s, window
        given = base64_digest(required(headers, "X-Shopify-Hmac-Sha256"))
        return Verified(key_of((given,), body, secrets), body, None)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the events of a transaction, a refund's transactions or a dispute; none of any other body.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        reading = Reading(body)
        events: list[Event] = []
        if reading.at("refund_line_items") is not None:
            transactions = reading.at("transactions")
            count = len(transactions) if isinstance(transactions, list) else 0
            if count > _TRANSACTIONS_MAX:
                reading.refuse(("transactions",), f"must be at most {_TRANSACTIONS_MAX}")
            for place in range(min(count, _TRANSACTIONS_MAX)):
                events += self._transaction(reading, "transactions", place)
        elif reading.at("initiated_at") is not None and reading.text("type") == "chargeback":
            events += _dispute(reading)
        elif reading.at("order_id") is not None:
            events += self._transaction(reading)
        reading.check()
        return events

    def _transaction(self, reading: Reading, *at: str | int) -> Sequence[Event]:
        """Return what the transaction at a path means; wrong fields are noted in the reading."""
        kinds = _KINDS.get((reading.text(*at, "kind"), reading.text(*at, "status")), ())
        moves_money = bool(kinds) and kinds[0] is not Kind.CANCELED and kinds[0] not in ENDS_WHOLE
        if not kinds or (moves_money and reading.is_zero(*at, "amount")):
            return ()
        test = reading.at(*at, "test")
        stated_live = not test if isinstance(test, bool) else None
        reading.check_mode(*at, "test", stated_live=stated_live, expected_live=self._live)
        tx_id = reading.number_id(*at, "order_id")
        transaction = reading.number_id(*at, "id")
        amount = reading.major_units((*at, "amount"), (*at, "currency")) if moves_money else NO_AMOUNT
        happened_ms = reading.iso_ms(*at, "processed_at") or reading.iso_ms(*at, "created_at")
        return [
            stated(
                kind,
                tx_id=tx_id,
                event_id=f"{transaction}:{kind.name.lower()}",
                object_id=transaction,
                amount=amount,
                happened_ms=happened_ms,
            )
            for kind in kinds
        ]


def _dispute(reading: Reading) -> Sequence[Event]:
    """Return what a chargeback's status means; inquiries withhold nothing and never get here."""
    kind = _DISPUTES.get(reading.text("status"))
    if kind is None:
        return ()
    object_id = reading.number_id("id")
    amount_at: Path = ("amount",)
    return [
        stated(
            kind,
            tx_id=reading.number_id("order_id"),
            event_id=f"dispute:{object_id}:{kind.name.lower()}",
            object_id=f"dispute:{object_id}",
            amount=NO_AMOUNT if kind in ENDS_WHOLE else reading.major_units(amount_at, ("currency",)),
            happened_ms=reading.iso_ms("finalized_on") or reading.iso_ms("initiated_at"),
            reason=by_word(reading.text("reason")),
        )
    ]


PROVIDER: Final[Provider] = ShopifyProvider()
