"""What every signature scheme needs: one header, a digest of the right length, every secret tried, a window."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from typing import Final

from providers.contract import HeaderLookup, Refused, Secret, Window

HEADER_CHARACTERS_MAX: Final = 4_096
_TIMESTAMP_DIGITS_MAX: Final = 12
_DIGEST_BYTES: Final = {"sha256": 32, "sha512": 64}


def utf8_key(value: str) -> bytes:
    """Return a secret's text as the key: what most providers do."""
    return value.encode("utf-8", "surrogatepass")


def invalid(message: str) -> Refused:
    """Return the refusal of a signature that is missing, malformed or wrong."""
    return Refused("SIGNATURE_INVALID", message)


def only(headers: HeaderLookup, name: str) -> str | None:
    """Return the header's one value, None where there is none.

    Raises:
        Refused: it occurs twice, or is larger than any signature.
    """
    values = headers.getall(name, ())
    if not values:
        return None
    if len(values) > 1:
        raise invalid(f"{name} occurs twice.")
    if len(values[0]) > HEADER_CHARACTERS_MAX:
        raise invalid(f"{name} is too long.")
    return values[0]


def required(headers: HeaderLookup, name: str) -> str:
    """Return the header's one value.

    Raises:
        Refused: it is missing, occurs twice, or is larger than any signature.
    """
    value = only(headers, name)
    if not value:
        raise invalid(f"{name} is missing.")
    return value


def hex_digest(text: str, algorithm: str = "sha256", *, any_case: bool = False) -> bytes:
    """Return the bytes of a digest in lower-case hexadecimal; `any_case` for senders that may write capitals.

    Raises:
        Refused: not exactly the digits that the algorithm gives.
    """
    size = _DIGEST_BYTES[algorithm]
    try:
        given = bytes.fromhex(text)
    except ValueError:
        given = b""
    # fromhex skips spaces and takes capitals; only the one text that a signer writes is taken.
    if len(given) != size or given.hex() != (text.lower() if any_case else text):
        raise invalid(f"The signature must be {2 * size} hexadecimal digits.")
    return given


def base64_digest(text: str, algorithm: str = "sha256") -> bytes:
    """Return the bytes of a digest in standard base64.

    Raises:
        Refused: not base64, or not exactly the bytes that the algorithm gives.
    """
    size = _DIGEST_BYTES[algorithm]
    try:
        given = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    # Several texts decode to the same bytes; only the one that a signer writes is taken.
    if len(given) != size or base64.b64encode(given) != text.encode("ascii", "replace"):
        raise invalid(f"The signature must be {size} bytes in base64.")
    return given


def key_of(
    candidates: Sequence[bytes],
    signed: bytes,
    secrets: Sequence[Secret],
    *,
    algorithm: str = "sha256",
    key: Callable[[str], bytes] = utf8_key,
) -> str:
    """Return the id of the first secret that made one of the candidate digests over `signed`.

    Every secret is tried against every candidate, each in constant time, whatever the others gave.

    Raises:
        Refused: none did.
    """
    key_id: str | None = None
    for secret in secrets:
        secret_key = key(secret.value)
        digest = hmac.digest(secret_key, signed, algorithm)
        for given in candidates:
            # An empty secret would let anybody sign.
            if hmac.compare_digest(digest, given) and secret_key and key_id is None:
                key_id = secret.key_id
    if key_id is None:
        raise invalid("The signature does not match.")
    return key_id


def is_timestamp(text: str) -> bool:
    """Tell whether the text is whole Unix seconds; int() alone would take 1_000, signs, spaces, full-width digits."""
    return 0 < len(text) <= _TIMESTAMP_DIGITS_MAX and text.isascii() and text.isdigit()


def timestamp_of(text: str, what: str) -> int:
    """Return the Unix seconds that a text states.

    Raises:
        Refused: it states none; `what` names it in the message.
    """
    if not is_timestamp(text):
        raise invalid(f"{what} must be whole seconds since the Unix epoch.")
    return int(text)


def check_window(signed_at_s: int, now_s: float, window: Window) -> None:
    """Refuse a signed time outside the replay window.

    Raises:
        Refused: TIMESTAMP_OUTSIDE_WINDOW.
    """
    age_s = now_s - signed_at_s
    if age_s > window.age_s_max:
        message = f"The timestamp is more than {window.age_s_max:g} s old."
    elif -age_s > window.skew_s_max:
        message = f"The timestamp is more than {window.skew_s_max:g} s ahead of our clock."
    else:
        return
    raise Refused("TIMESTAMP_OUTSIDE_WINDOW", message)
