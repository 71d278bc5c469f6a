"""PayPal: RSA-SHA256 by a certificate that it publishes; orders, authorizations, captures, sales, refunds, disputes.

How it signs: https://developer.paypal.com/api/rest/webhooks/rest/; what its events are called:
https://developer.paypal.com/api/rest/webhooks/event-names/.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from providers._paypal_events import telling
from providers.contract import (
    Acknowledgement,
    Event,
    HeaderLookup,
    Options,
    Provider,
    Secret,
    Verified,
    Window,
)
from providers.reading import Reading
from providers.verification import check_window, invalid, required, utf8_key

_ID: Final = "PAYPAL-TRANSMISSION-ID"
_TIME: Final = "PAYPAL-TRANSMISSION-TIME"
_SIGNATURE: Final = "PAYPAL-TRANSMISSION-SIG"
_ALGORITHM: Final = "PAYPAL-AUTH-ALGO"
_CERTIFICATE: Final = "PAYPAL-CERT-URL"
# The whole URL, so that no two readings of one can differ.
_URL: Final = re.compile(
    r"https://api(?:-m)?(\.sandbox)?\.paypal\.com/v1/notifications/certs/[A-Za-z0-9_-]{1,200}", re.ASCII
).fullmatch
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z", re.ASCII).fullmatch
_WORD: Final = re.compile(r"[!-{}~]{1,200}", re.ASCII).fullmatch
_DOMAIN: Final = ".paypal.com"
_SANDBOX: Final = ".sandbox.paypal.com"
_CERTIFICATES_MAX: Final = 8
_CHAIN_BYTES_MAX: Final = 65_536
_KEY_BITS: Final = range(2_048, 8_193)


class PayPalProvider:
    """PayPal's webhooks. What is configured as the secret is the webhook's id: the key is in the certificate.

    A payment is an order; without one, what the older API calls a payment; without that, the authorization, capture
    or sale itself. The others are its aliases: a refund and a dispute know only those.
    """

    name: Final = "paypal"
    native: Final = False
    kept_headers: Final = tuple(name.lower() for name in (_ID, _TIME, _SIGNATURE, _ALGORITHM, _CERTIFICATE))
    acknowledgement: Final = Acknowledgement()

    def __init__(self, *, live: bool | None = None, roots: Sequence[x509.Certificate] = ()) -> None:
        """Trust chains that end in `roots`; without any, nothing verifies."""
        self._live = live
        self._store = Store(list(roots)) if roots else None

    def configured(self, options: Options) -> PayPalProvider:
        """Return it with the roots of the table's `roots` and `extra_roots`, both PEM.

        Raises:
            ValueError: one of them is no PEM with a certificate.
        """
        roots = [root for name in ("roots", "extra_roots") for root in _roots(name, options.table.get(name))]
        return PayPalProvider(live=options.live, roots=roots)

    def certificate_url(self, headers: HeaderLookup) -> str:
        """Return where the certificate is: at PayPal, of the source's mode.

        Raises:
            Refused: as the contract says.
        """
        url = required(headers, _CERTIFICATE)
        matched = _URL(url)
        if matched is None or (self._live is not None and self._live == bool(matched[1])):
            raise invalid(f"{_CERTIFICATE} is not where PayPal publishes the certificates of this mode.")
        return url

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Refuse: nothing verifies without the certificate.

        Raises:
            Refused: always.
        """
        del body, headers, secrets, now_s, window
        raise invalid("The certificate is missing.")

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
        """Check the signature with the chain's first certificate, the window, and then the chain itself.

        Raises:
            Refused: as the contract says.
        """
        self.certificate_url(headers)
        given = _signature(required(headers, _SIGNATURE))
        message_id, sent = required(headers, _ID), required(headers, _TIME)
        if required(headers, _ALGORITHM) != "SHA256withRSA":
            raise invalid(f"{_ALGORITHM} must be SHA256withRSA.")
        # The parts are joined by bars, so none may hold one.
        if _WORD(message_id) is None:
            raise invalid(f"{_ID} must be 1 to 200 printable ASCII characters without bars.")
        signed_at_s = _seconds(sent)
        leaf, *others = _certificates(chain)
        key_id = _key_id(leaf, given, f"{message_id}|{sent}|".encode(), b"|%d" % zlib.crc32(body), secrets)
        check_window(signed_at_s, now_s, window)
        self._check_chain(leaf, others, now_s)
        return Verified(key_id, body, signed_at_s)

    def _check_chain(self, leaf: x509.Certificate, others: Sequence[x509.Certificate], now_s: float) -> None:
        if self._store is None:
            raise invalid("No certificate is trusted here.")
        try:
            name = _name(leaf, sandbox_allowed=self._live is not True)
            policy = PolicyBuilder().store(self._store).time(datetime.fromtimestamp(now_s, UTC).replace(tzinfo=None))
            policy.build_server_verifier(x509.DNSName(name)).verify(leaf, list(others))
        except (VerificationError, UnsupportedAlgorithm, x509.DuplicateExtension, ValueError):
            raise invalid("The certificate is not one of PayPal's that can be trusted now.") from None

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return what the event says of a payment; most types say nothing.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        reading = Reading(body)
        told = telling(reading.text("event_type"))
        if told is None:
            return ()
        events = told(reading)
        reading.check()
        return events


def _roots(name: str, value: object) -> Sequence[x509.Certificate]:
    # A machine that trusts nobody gives an empty text: there is nothing to read, and nothing verifies.
    if value is None or (name == "roots" and value == ""):
        return ()
    try:
        return x509.load_pem_x509_certificates(value.encode() if isinstance(value, str) else b"")
    except ValueError:
        raise ValueError(f"{name} must be certificates in PEM") from None


def _signature(text: str) -> bytes:
    try:
        given = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    if not given or base64.b64encode(given) != text.encode("ascii", "replace"):
        raise invalid(f"{_SIGNATURE} must be base64.")
    return given


def _seconds(text: str) -> int:
    if _ISO(text) is not None:
        try:
            return int(datetime.fromisoformat(text).timestamp())
        except (ValueError, OverflowError):
            pass
    raise invalid(f"{_TIME} must be a time in UTC as 2026-01-31T12:00:00Z.")


def _certificates(chain: bytes) -> Sequence[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(chain) if len(chain) <= _CHAIN_BYTES_MAX else []
    except (ValueError, CryptographyDeprecationWarning):
        # Such a warning is an error where Python is told so; what it announces will be one anyway.
        certificates = []
    if not 0 < len(certificates) <= _CERTIFICATES_MAX:
        raise invalid("What was fetched is no chain of certificates.")
    return certificates


def _key_id(leaf: x509.Certificate, given: bytes, before: bytes, after: bytes, secrets: Sequence[Secret]) -> str:
    """Return the id of the webhook that the message was signed for.

    Raises:
        Refused: it is none of ours, or the signature is not the certificate's.
    """
    try:
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size not in _KEY_BITS:
        raise invalid("The certificate holds no RSA key of 2,048 bits or more.")
    for secret in secrets:
        # The id is no secret, and checking a public signature tells nothing: it may end at the first that fits.
        webhook_id = utf8_key(secret.value)
        if not webhook_id:
            continue
        try:
            key.verify(given, before + webhook_id + after, PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        return secret.key_id
    raise invalid("The signature does not match.")


def _name(leaf: x509.Certificate, *, sandbox_allowed: bool) -> str:
    """Return the host name under paypal.com that the certificate is for.

    Raises:
        ValueError: there is none.
    """
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("no names") from None
    for name in names.get_values_for_type(x509.DNSName):
        if name.endswith(_DOMAIN) and "*" not in name and (sandbox_allowed or not name.endswith(_SANDBOX)):
            return name
    raise ValueError("another name")


PROVIDER: Final[Provider] = PayPalProvider()
