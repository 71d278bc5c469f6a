"""Standard Webhooks: the scheme many senders share (HMAC-SHA256 or ed25519), with a payment in our own words inside.

The scheme is that of https://www.standardwebhooks.com: its specification and its reference libraries.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from providers._native_body import event_of_fields
from providers.contract import (
    Acknowledgement,
    Event,
    HeaderLookup,
    Options,
    Provider,
    Refused,
    Secret,
    Unprocessable,
    Verified,
    Window,
    Wrong,
)
from providers.reading import Reading
from providers.verification import base64_digest, check_window, invalid, key_of, required, timestamp_of

_SIGNATURES_MAX: Final = 16
_SHARED: Final = "whsec_"
_PUBLIC: Final = "whpk_"
_KEY_BYTES: Final = range(24, 65)
_ED25519_BYTES: Final = 64
_TYPES: Final = "payment."
_HEADERS: Final = ("webhook", "svix")


class StandardWebhooksProvider:
    """Any sender that signs by Standard Webhooks and states payments as the native body does.

    The body is a native body, or the scheme's envelope: `type` is `payment.` and a native status, `data` the
    native body. Other types mean nothing here. A secret is `whsec_` and the shared key, or `whpk_` and the
    sender's ed25519 public key, in base64.
    """

    name: Final = "standardwebhooks"
    native: Final = False
    acknowledgement: Final = Acknowledgement()

    def __init__(self, *, headers: str = "webhook") -> None:
        """Read the three headers whose names begin so."""
        self._id, self._timestamp, self._signature = (f"{headers}-{name}" for name in ("id", "timestamp", "signature"))

    @property
    def kept_headers(self) -> Sequence[str]:
        """The message's id, which is signed, and the time of the attempt."""
        return (self._id, self._timestamp)

    def configured(self, options: Options) -> StandardWebhooksProvider:
        """Return it with the names that the table's `headers` says: "webhook", or "svix" as Svix still sends.

        Raises:
            ValueError: it is neither.
        """
        headers = options.table.get("headers", "webhook")
        if headers not in _HEADERS:
            raise ValueError('headers must be "webhook" or "svix"')
        return StandardWebhooksProvider(headers=str(headers))

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check every signature of the list with every secret, then the window, which is as wide ahead as behind.

        Raises:
            Refused: as the contract says.
        """
        message_id, timestamp = required(headers, self._id), required(headers, self._timestamp)
        shared, public = _signatures(required(headers, self._signature))
        signed_at_s = timestamp_of(timestamp, self._timestamp)
        # The parts are joined by dots, so a dot in one could stand for another division of the same text.
        if not message_id.isascii() or not message_id.isprintable() or "." in message_id:
            raise invalid(f"{self._id} must be printable ASCII without dots.")
        signed = b"%b.%b.%b" % (message_id.encode(), timestamp.encode(), body)
        key_id = _key_of(shared, public, signed, secrets)
        check_window(signed_at_s, now_s, Window(window.age_s_max, max(window.age_s_max, window.skew_s_max)))
        return Verified(key_id, body, signed_at_s)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the body's one event; the message's id is its id where it states none.

        Raises:
            Unprocessable: as the contract says.
        """
        reading = Reading(body)
        fields: Mapping[str, object] = reading.root
        place = ""
        if "data" in fields and "tx_id" not in fields:
            kind, data = reading.text("type"), fields["data"]
            if not kind.startswith(_TYPES):
                return ()
            if not isinstance(data, dict):
                raise Unprocessable([Wrong("data", "must be a JSON object")])
            fields, place = {"status": kind.removeprefix(_TYPES), **data}, "data."
        # The id is the same on every attempt, and signed: two messages of equal content are two facts.
        fields = {"event_id": headers.get(self._id, b"").decode("ascii", "replace") or None, **fields}
        try:
            event = event_of_fields(fields)
        except Unprocessable as error:
            raise Unprocessable([Wrong(place + each.field, each.description) for each in error.wrong]) from None
        if place and not event.event_time_ms:
            time_ms = reading.iso_ms("timestamp")
            event = replace(event, event_time_ms=time_ms, event_time_signed=time_ms > 0)
        return (event,)


def _signatures(listed: str) -> tuple[list[bytes], list[bytes]]:
    """Return the well-formed signatures of a list: those by shared keys, those by ed25519; others are ignored."""
    shared, public = [], []
    parts = listed.split(" ")
    if len(parts) > _SIGNATURES_MAX:
        raise invalid("There are too many signatures.")
    for part in parts:
        version, _, text = part.partition(",")
        if version == "v1":
            try:
                shared.append(base64_digest(text))
            except Refused:
                continue
        elif version == "v1a" and (given := _decoded(text)) is not None and len(given) == _ED25519_BYTES:
            public.append(given)
    if not shared and not public:
        raise invalid("There is no well-formed v1 or v1a signature.")
    return shared, public


def _key_of(shared: Sequence[bytes], public: Sequence[bytes], signed: bytes, secrets: Sequence[Secret]) -> str:
    """Return the id of the key that made one of the signatures.

    Raises:
        Refused: none did.
    """
    # Verifying with a public key tells nothing, so it may end at the first that fits.
    for secret in secrets if public else ():
        key = _public_key(secret.value)
        if key is not None and any(_verifies(key, given, signed) for given in public):
            return secret.key_id
    return key_of(shared, signed, secrets, key=_shared_key)


def _shared_key(value: str) -> bytes:
    """Return the bytes of a shared key, none for what is no such key: nothing verifies with that."""
    if value.startswith(_PUBLIC):
        return b""
    key = _decoded(value.removeprefix(_SHARED))
    return key if key is not None and len(key) in _KEY_BYTES else b""


def _public_key(value: str) -> Ed25519PublicKey | None:
    key = _decoded(value.removeprefix(_PUBLIC)) if value.startswith(_PUBLIC) else None
    try:
        return None if key is None else Ed25519PublicKey.from_public_bytes(key)
    except ValueError:
        return None


def _verifies(key: Ed25519PublicKey, given: bytes, signed: bytes) -> bool:
    try:
        key.verify(given, signed)
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes | None:
    """Return what standard base64 stands for; None for any other text, another spelling of the same bytes included."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data) == text.encode("ascii", "replace") else None


PROVIDER: Final[Provider] = StandardWebhooksProvider()
