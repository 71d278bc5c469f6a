"""Any sender with an HMAC in a header: how it signs and what its bodies mean is configured, without code."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from providers._hmac_mapping import event_of
from providers._hmac_settings import Scheme, Settings, settings_of
from providers.contract import (
    Acknowledgement,
    Event,
    HeaderLookup,
    Options,
    Provider,
    Secret,
    Unprocessable,
    Verified,
    Window,
    Wrong,
)
from providers.verification import (
    base64_digest,
    check_window,
    hex_digest,
    invalid,
    key_of,
    required,
    timestamp_of,
    utf8_key,
)

_MESSAGE_ID: Final = re.compile(r"[!-~]{1,200}").fullmatch


class HmacProvider:
    """A sender as `docs/providers.md` says it can be described; without a description nothing verifies."""

    name: Final = "hmac"
    native: Final = False

    def __init__(self, settings: Settings | None = None) -> None:
        """Be the sender that the settings describe, or none."""
        self._settings = settings

    @property
    def kept_headers(self) -> Sequence[str]:
        """The signed headers beside the signature."""
        scheme = self._settings.scheme if self._settings is not None else None
        own = (scheme.timestamp_header, scheme.id_header) if scheme is not None else ()
        return (*(name.lower() for name in own if name), "user-agent", "content-type")

    @property
    def acknowledgement(self) -> Acknowledgement:
        """As configured."""
        return self._settings.acknowledgement if self._settings is not None else Acknowledgement()

    def configured(self, options: Options) -> HmacProvider:
        """Return the sender that a source's options describe.

        Raises:
            ValueError: a setting is missing, unknown or wrong; the text names it.
        """
        return HmacProvider(settings_of(options))

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check the signature over what the settings say is signed, then the timestamp, where one is.

        Raises:
            Refused: as the contract says; always where nothing is configured.
        """
        if self._settings is None:
            raise invalid("This source is not configured.")
        scheme = self._settings.scheme
        given = _digest(required(headers, scheme.header), scheme)
        words = {"body": body}
        signed_at_s: int | None = None
        if scheme.timestamp_header:
            timestamp = required(headers, scheme.timestamp_header)
            signed_at_s = timestamp_of(timestamp, scheme.timestamp_header)
            words["timestamp"] = timestamp.encode()
        if scheme.id_header:
            words["id"] = _message_id(required(headers, scheme.id_header), scheme.id_header)
        signed = b"".join(part if isinstance(part, bytes) else words[part] for part in scheme.signed)
        key = _KEYS[scheme.secret_encoding]
        key_id = key_of((given,), signed, secrets, algorithm=scheme.algorithm, key=key)
        if signed_at_s is not None and scheme.tolerance_s != 0:
            age_s_max = window.age_s_max if scheme.tolerance_s is None else scheme.tolerance_s
            check_window(signed_at_s, now_s, Window(age_s_max, window.skew_s_max))
        return Verified(key_id, body, signed_at_s)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the body's event as the settings read it, none where its type is not listed.

        Raises:
            Unprocessable: as the contract says; always where nothing is configured, so that it can be run again.
        """
        del headers
        if self._settings is None:
            raise Unprocessable([Wrong("source", "has no settings here")])
        event = event_of(body, self._settings.layout)
        return () if event is None else (event,)


def _digest(signature: str, scheme: Scheme) -> bytes:
    if not signature.startswith(scheme.prefix):
        raise invalid(f"{scheme.header} must start with {scheme.prefix}")
    text = signature.removeprefix(scheme.prefix)
    if scheme.encoding == "hex":
        return hex_digest(text, scheme.algorithm)
    return base64_digest(text, scheme.algorithm)


def _message_id(text: str, header: str) -> bytes:
    if _MESSAGE_ID(text) is None:
        raise invalid(f"{header} must be 1 to 200 printable ASCII characters without spaces.")
    return text.encode()


def _hex_key(value: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except ValueError:
        # An empty key verifies nothing.
        return b""


def _base64_key(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""


_KEYS: Final[Mapping[str, Callable[[str], bytes]]] = {"text": utf8_key, "hex": _hex_key, "base64": _base64_key}

PROVIDER: Final[Provider] = HmacProvider()
