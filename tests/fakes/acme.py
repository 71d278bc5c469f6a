"""A made-up third party: a hexadecimal HMAC in one header, or a certificate that has to be fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from providers.contract import Acknowledgement, Event, HeaderLookup, Options, Secret, Verified, Window
from providers.verification import hex_digest, invalid, key_of, required

CERTIFICATE_HOST = "certificates.acme.example"


class Acme:
    """Signs its bodies; its options may demand a `shop`."""

    name = "acme"
    native = False
    kept_headers: Sequence[str] = ("x-acme-topic",)
    acknowledgement = Acknowledgement(b"[thanks]", "text/plain")

    def __init__(self, *, demands_shop: bool = False, options: Options | None = None) -> None:
        """Be configured with `options`."""
        self._demands_shop = demands_shop
        self.options = options or Options()

    def configured(self, options: Options) -> Acme:
        """Return it with the options."""
        if self._demands_shop and "shop" not in options.table:
            raise ValueError("options.shop is required")
        return type(self)(demands_shop=self._demands_shop, options=options)

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check X-Acme-Signature over the body."""
        return Verified(key_of([hex_digest(required(headers, "X-Acme-Signature"))], body, secrets), body, None)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return nothing: no body of it means a payment."""
        return ()


class CertifiedAcme(Acme):
    """Names where its certificate is; believes a delivery whose header says what the certificate says."""

    def certificate_url(self, headers: HeaderLookup) -> str:
        """Return the header's URL, if it is on the one host."""
        url = required(headers, "X-Acme-Certificate")
        if not url.startswith(f"https://{CERTIFICATE_HOST}/"):
            raise invalid("The certificate is on a host that is not known.")
        return url

    def verify_certified(
        self,
        body: bytes,
        headers: HeaderLookup,
        secrets: Sequence[Secret],
        *,
        chain: bytes,
        now_s: float,
        window: Window,
    ) -> Verified:
        """Compare the header with the chain."""
        if required(headers, "X-Acme-Signature").encode() != chain:
            raise invalid("The signature does not match.")
        return Verified(secrets[0].key_id, body, int(now_s))
