"""The native provider: three ways to sign with HMAC-SHA256, and a body in our own words."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Final

import rfc8785

from providers._native_body import event_of
from providers.contract import Event, HeaderLookup, Provider, Refused, Secret, Verified, Window
from providers.strict_json import MalformedError, NumberToken, is_within_depth, parse_exact, parse_floats

_HEX_DIGITS: Final = 64
_DIGEST_BYTES: Final = 32
_TIMESTAMP_DIGITS_MAX: Final = 12
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

    def __init__(self, *, in_body_allowed: bool = True) -> None:
        """Accept the in-body form or not; it is the only one that parses before it verifies."""
        self._in_body_allowed = in_body_allowed

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check signature, then replay window.

        Raises:
            Refused: as the contract says.
        """
        signature = _only(headers.getall("X-Signature", ()), "X-Signature")
        timestamp = _only(headers.getall("X-Timestamp", ()), "X-Timestamp")
        if signature is None:
            if timestamp is not None:
                raise _invalid("X-Timestamp came without X-Signature.")
            if not self._in_body_allowed:
                raise _invalid("X-Signature is missing.")
            return _verify_in_body(body, secrets, now_s, window)
        given = _digest_bytes(signature)
        if timestamp is not None:
            if not _is_timestamp(timestamp):
                raise _invalid("X-Timestamp must be whole seconds since the Unix epoch.")
            key_id = _key_of(given, b"%b.%b" % (timestamp.encode(), body), secrets)
            signed_at_s = int(timestamp)
        else:
            key_id = _key_of(given, body, secrets)
            signed_at_s = _timestamp_of(body)
        _check_window(signed_at_s, now_s, window)
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
        raise _invalid("X-Signature is missing; a body signed inside may have at most 16,384 bytes.")
    try:
        fields = parse_floats(body)
    except MalformedError:
        raise _invalid("X-Signature is missing, and the body is not strict JSON.") from None
    if not isinstance(fields, dict) or not is_within_depth(fields, _IN_BODY_DEPTH_MAX):
        raise _invalid("X-Signature is missing, and the body is not an object at most 16 deep.")
    signature, signed_at_s = fields.pop("signature", None), fields.get("timestamp")
    if not isinstance(signature, str):
        raise _invalid("The request carries no signature.")
    if type(signed_at_s) is not int or not 0 <= signed_at_s < 10**_TIMESTAMP_DIGITS_MAX:
        raise _invalid("The field timestamp must be whole seconds since the Unix epoch.")
    given = _digest_bytes(signature)
    try:
        canonical = rfc8785.dumps(fields)
    except (ValueError, RecursionError):
        # Integers beyond 2**53, infinite floats, lone surrogates: RFC 8785 has no form for them.
        raise _invalid("The body has no canonical form by RFC 8785.") from None
    key_id = _key_of(given, canonical, secrets)
    _check_window(signed_at_s, now_s, window)
    return Verified(key_id, canonical, signed_at_s)


def _timestamp_of(body: bytes) -> int:
    """Return the `timestamp` of a body whose signature already holds."""
    try:
        fields = parse_exact(body)
    except MalformedError:
        fields = None
    value = fields.get("timestamp") if isinstance(fields, dict) else None
    if type(value) is NumberToken and _is_timestamp(value):
        return int(value)
    # Without a signed time the request could be replayed for ever.
    raise _invalid("Nothing signed dates the request: send X-Timestamp or the field timestamp.")


def _only(values: Sequence[str], header: str) -> str | None:
    if not values:
        return None
    if len(values) > 1:
        raise _invalid(f"{header} occurs twice.")
    return values[0]


def _is_timestamp(text: str) -> bool:
    # int() alone would take 1_000, signs, spaces and full-width digits.
    return len(text) <= _TIMESTAMP_DIGITS_MAX and text.isascii() and text.isdigit()


def _digest_bytes(text: str) -> bytes:
    digits = text.removeprefix(_PREFIX)
    try:
        given = bytes.fromhex(digits)
    except ValueError:
        given = b""
    # fromhex skips spaces, so both lengths are looked at.
    if len(digits) != _HEX_DIGITS or len(given) != _DIGEST_BYTES:
        raise _invalid("The signature must be 64 hexadecimal digits.")
    return given


def _key_of(given: bytes, signed: bytes, secrets: Sequence[Secret]) -> str:
    """Return the id of the first secret that made the signature; every one is always tried."""
    key_id: str | None = None
    for secret in secrets:
        # An empty secret would let anybody sign.
        key = secret.value.encode("utf-8", "surrogatepass")
        holds = hmac.compare_digest(hmac.digest(key, signed, "sha256"), given) and bool(key)
        if holds and key_id is None:
            key_id = secret.key_id
    if key_id is None:
        raise _invalid("The signature does not match.")
    return key_id


def _check_window(signed_at_s: int, now_s: float, window: Window) -> None:
    age_s = now_s - signed_at_s
    if age_s > window.age_s_max:
        message = f"The timestamp is more than {window.age_s_max:g} s old."
    elif -age_s > window.skew_s_max:
        message = f"The timestamp is more than {window.skew_s_max:g} s ahead of our clock."
    else:
        return
    raise Refused("TIMESTAMP_OUTSIDE_WINDOW", message)


def _invalid(message: str) -> Refused:
    return Refused("SIGNATURE_INVALID", message)


PROVIDER: Final[Provider] = AutopayProvider()
