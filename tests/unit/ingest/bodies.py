"""Deliveries for ingest's tests, and a third-party provider that understands very little."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from providers.contract import (
    Acknowledgement,
    Event,
    HeaderLookup,
    Kind,
    Options,
    Refused,
    Secret,
    Unprocessable,
    Verified,
    Window,
    Wrong,
)
from services.ingest.model import Delivery, DeliveryMessage

UNSAMPLED = "00-" + "a" * 32 + "-" + "b" * 16 + "-00"
SAMPLED = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def native_body(**changes: object) -> bytes:
    """A valid native body with some fields changed."""
    fields = {
        "tx_id": "T-1",
        "amount": "10.50",
        "currency": "EUR",
        "sender_account": "alice",
        "receiver_account": "bob",
        **changes,
    }
    return json.dumps(fields).encode()


def delivery(
    body: bytes | None = None, *, provider: str = "autopay", delivery_id: str = "D-1", traceparent: str = UNSAMPLED
) -> Delivery:
    """A delivery as the servicer makes it."""
    return Delivery(
        delivery_id=delivery_id,
        source=provider,
        provider=provider,
        body=native_body() if body is None else body,
        headers={},
        received_at_ms=1_700_000_000_000,
        traceparent=traceparent,
        message=DeliveryMessage(delivery_id),
    )


class ThirdParty:
    """Understands bodies that are a number: that many events; `?` is invalid, `!…` trips it."""

    name = "partner"
    native = False
    kept_headers: Sequence[str] = ()
    acknowledgement = Acknowledgement()

    def configured(self, options: Options) -> ThirdParty:
        """Return itself: no source of this kind differs from another."""
        return self

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Refuse: ingest never verifies."""
        raise Refused("SIGNATURE_INVALID", "Not here.")

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return as many events as the body says."""
        if body == b"?":
            raise Unprocessable([Wrong("body", "must be a number")])
        if body.startswith(b"!"):
            raise ZeroDivisionError(body)
        return [
            Event(
                tx_id="P-1",
                kind=Kind.CAPTURED,
                event_id=f"E-{count}",
                amount_minor=10**12,
                currency="USD",
                exponent=2,
            )
            for count in range(int(body))
        ]
