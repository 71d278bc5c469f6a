"""Stripe: payment intents, charges, refunds and disputes, as https://docs.stripe.com/api/events/types names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from providers._stripe_events import Notice, telling
from providers.contract import (
    Acknowledgement,
    Event,
    HeaderLookup,
    Options,
    Provider,
    Refused,
    Secret,
    Verified,
    Window,
)
from providers.reading import Reading
from providers.verification import check_window, hex_digest, invalid, key_of, required, timestamp_of

_SIGNATURES_MAX: Final = 16


class StripeProvider:
    """Stripe's events, version 1 ("snapshot"): the object in `data` is as it was when the event happened.

    A payment is a payment intent, or a charge that has none. Captures and refunds are told in several ways (intent,
    charge, refund), and which of them arrive depends on the endpoint: all of one payment share an object, where
    running totals count by the largest and single refunds by their sum, so any of them, or all, end in one amount.
    """

    name: Final = "stripe"
    native: Final = False
    kept_headers: Final = ("stripe-signature", "user-agent")
    acknowledgement: Final = Acknowledgement()

    def __init__(self, *, live: bool | None = None) -> None:
        """Expect live events, test events, or both (None)."""
        self._live = live

    def configured(self, options: Options) -> StripeProvider:
        """Return it for the mode that the options say."""
        return StripeProvider(live=options.live)

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check every `v1` of the header with every secret, which is used as it stands, then the window.

        Raises:
            Refused: as the contract says.
        """
        timestamp, given = _parts(required(headers, "Stripe-Signature"))
        signed_at_s = timestamp_of(timestamp, "t")
        key_id = key_of(given, b"%b.%b" % (timestamp.encode(), body), secrets)
        check_window(signed_at_s, now_s, window)
        return Verified(key_id, body, signed_at_s)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return what the event says of a payment; most types say nothing.

        Raises:
            Unprocessable: as the contract says; a live event where test ones are expected, and the reverse, too.
        """
        del headers
        reading = Reading(body)
        told = telling(reading.text("type"))
        if told is None:
            return ()
        if self._live is not None and reading.at("livemode") is not self._live:
            reading.refuse(("livemode",), f"must be {str(self._live).lower()} for this source")
        events = told(Notice(reading))
        reading.check()
        return events


def _parts(header: str) -> tuple[str, list[bytes]]:
    """Return the time and the well-formed `v1` digests of a header; other schemes are ignored."""
    timestamp, given = "", []
    for part in header.split(","):
        scheme, _, text = part.partition("=")
        if scheme == "t":
            if timestamp:
                raise invalid("Stripe-Signature has two times.")
            timestamp = text
        elif scheme == "v1":
            try:
                given.append(hex_digest(text))
            except Refused:
                continue
    if not 0 < len(given) <= _SIGNATURES_MAX:
        raise invalid("Stripe-Signature must have 1 to 16 well-formed v1 signatures.")
    return timestamp, given


PROVIDER: Final[Provider] = StripeProvider()
