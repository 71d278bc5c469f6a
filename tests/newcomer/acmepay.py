"""AcmePay, made up: HMAC-SHA256 of the body in hexadecimal; payments and refunds by their ids."""

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
from providers.reading import Reading
from providers.stating import stated
from providers.verification import hex_digest, key_of, required

_KINDS: Final[Mapping[str, Kind]] = {
    "payment.captured": Kind.CAPTURED,
    "payment.declined": Kind.FAILED,
    "refund.done": Kind.REFUNDED,
}


class AcmePayProvider:
    """AcmePay's webhooks."""

    name: Final = "acmepay"
    native: Final = False
    kept_headers: Final = ("x-acmepay-id",)
    acknowledgement: Final = Acknowledgement(b"thanks", "text/plain")

    def configured(self, options: Options) -> AcmePayProvider:
        """Return it as it is: it has no settings."""
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
        given = hex_digest(required(headers, "X-AcmePay-Signature"))
        return Verified(key_of((given,), body, secrets), body, None)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the event that the body's `what` names, none where it is no payment's.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        reading = Reading(body)
        kind = _KINDS.get(reading.text("what"))
        if kind is None:
            return ()
        tx_id = reading.tx_id("payment")
        object_id = reading.identifier("refund") if kind is Kind.REFUNDED else ""
        amount = reading.major_units(("amount",), ("currency",))
        reading.check()
        return (
            stated(
                kind,
                tx_id=tx_id,
                event_id=f"{object_id or tx_id}:{kind.name.lower()}",
                object_id=object_id,
                amount=amount,
                happened_ms=reading.seconds_ms("at"),
            ),
        )


PROVIDER: Final[Provider] = AcmePayProvider()
