"""The native provider: three ways to sign with HMAC-SHA256, and a body in our own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import rfc8785

from providers._native_body import event_of
from providers.contract import Acknowledgement, Event, HeaderLookup, Options, Provider, Secret, Verified, Window
from providers.strict_json import MalformedError, NumberToken, is_within_depth, parse_exact, parse_floats
from providers.verification import check_window, hex_digest, invalid, is_timestamp, key_of, only, timestamp_of

_PREFIX: Final = "sha256="
# The in-body form is parsed and canonicalised before it is verified: what a stranger can spend is bounded.
_IN_BODY_BYTES_MAX: Final = 16_384
_IN_BODY_DEPTH_MAX: Final = 16


class AutopayProvider:
    """Our own format, for senders that write to us directly.

    A request is signed in one of three forms, chosen by which headers are there, never by what happens to
    verify: `X-Timestamp` and `X-Signature` over `{timestamp}.{body}`; `X-Signature` alone over the body, which
    then carries `timestamp`; or `timestamp` and `signature` in the body, over its canonical JSON (RFC 8785)
    without `signature`.
    """

    name: Final = "autopay"
    native: Final = True
    kept_headers: Final = ("x-timestamp", "user-agent", "content-type")
    acknowledgement: Final = Acknowledgement()

    def __init__(self, *, in_body_allowed: bool = True) -> None:
        """Accept the in-body form or not; it is the only one that parses before it verifies."""
        self._in_body_allowed = in_body_allowed

    def configured(self, options: Options) -> AutopayProvider:
        """Return it with the in-body form as the table's `in_body` says.

        Raises:
            ValueError: it is no boolean.
        """
        allowed = options.table.get("in_body", self._in_body_allowed)
        if not isinstance(allowed, bool):
            raise ValueError("in_body must be true or false")  # noqa: TRY004 - as the contract says
        return AutopayProvider(in_body_allowed=allowed)

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check signature, then replay window.

        Raises:
            Refused: as the contract says.
        """
        signature, timestamp = only(headers, "X-Signature"), only(headers, "X-Timestamp")
        if signature is None:
            if timestamp is not None:
                raise invalid("X-Timestamp came without X-Signature.")
            if not self._in_body_allowed:
                raise invalid("X-Signature is missing.")
            return _verify_in_body(body, secrets, now_s, window)
        given = _digest(signature)
        if timestamp is not None:
            signed_at_s = timestamp_of(timestamp, "X-Timestamp")
            key_id = key_of((given,), b"%b.%b" % (timestamp.encode(), body), secrets)
        else:
            key_id = key_of((given,), body, secrets)
            signed_at_s = _timestamp_of(body)
        check_window(signed_at_s, now_s, window)
        return Verified(key_id, body, signed_at_s)

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the body's one event; headers mean nothing here.

        Raises:
            Unprocessable: as the contract says.
        """
        del headers
        return (event_of(body),)


def _verify_in_body(body: bytes, secrets: Sequence[Secret], now_s: float, window: Window) -> Verified:
    if len(body) > _IN_BODY_BYTES_MAX:
        raise invalid("X-Signature is missing; a body signed inside may have at most 16,384 bytes.")
    try:
        fields = parse_floats(body)
    except MalformedError:
        raise invalid("X-Signature is missing, and the body is not strict JSON.") from None
    if not isinstance(fields, dict) or not is_within_depth(fields, _IN_BODY_DEPTH_MAX):
        raise invalid("X-Signature is missing, and the body is not an object at most 16 deep.")
    signature, signed_at_s = fields.pop("signature", None), fields.get("timestamp")
    if not isinstance(signature, str):
        raise invalid("The request carries no signature.")
    if type(signed_at_s) is not int or not is_timestamp(str(signed_at_s)):
        raise invalid("The field timestamp must be whole seconds since the Unix epoch.")
    given = _digest(signature)
    try:
        canonical = rfc8785.dumps(fields)
    except (ValueError, RecursionError):
        # Integers beyond 2**53, infinite floats, lone surrogates: RFC 8785 has no form for them.
        raise invalid("The body has no canonical form by RFC 8785.") from None
    key_id = key_of((given,), canonical, secrets)
    check_window(signed_at_s, now_s, window)
    return Verified(key_id, canonical, signed_at_s)


def _digest(signature: str) -> bytes:
    return hex_digest(signature.removeprefix(_PREFIX), any_case=True)


def _timestamp_of(body: bytes) -> int:
    """Return the `timestamp` of a body whose signature already holds."""
    try:
        fields = parse_exact(body)
    except MalformedError:
        fields = None
    value = fields.get("timestamp") if isinstance(fields, dict) else None
    if type(value) is NumberToken and is_timestamp(value):
        return int(value)
    # Without a signed time the request could be replayed for ever.
    raise invalid("Nothing signed dates the request: send X-Timestamp or the field timestamp.")


PROVIDER: Final[Provider] = AutopayProvider()
