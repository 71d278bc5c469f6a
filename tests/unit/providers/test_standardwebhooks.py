"""Deliveries by Standard Webhooks: signed by the real libraries, by ed25519, and with keys that are none."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks.webhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from providers.contract import HeaderLookup, Options, Provider, Refused, Secret, Verified
from providers.standardwebhooks import PROVIDER
from tests.unit.providers.signing import NOW_S, WINDOW, headers

BODY = '{"type":"payment.captured","data":{"note":"grüße"}}'.encode()
SECRET = Secret("shared", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = Secret("public", "whpk_" + base64.b64encode(KEY.public_key().public_bytes_raw()).decode())
AT = datetime.fromtimestamp(NOW_S, UTC)


def verify(given: HeaderLookup, *secrets: Secret, body: bytes = BODY, provider: Provider = PROVIDER) -> Verified:
    """Verify with the tests' clock and window."""
    return provider.verify(body, given, secrets, now_s=NOW_S, window=WINDOW)


def sent(signature: str, *, message_id: str = "msg_1", prefix: str = "webhook") -> HeaderLookup:
    """The three headers."""
    return headers(
        (f"{prefix}-id", message_id), (f"{prefix}-timestamp", str(NOW_S)), (f"{prefix}-signature", signature)
    )


def asymmetric(message_id: str = "msg_1", body: bytes = BODY) -> str:
    """A signature with the private key."""
    signed = f"{message_id}.{NOW_S}.".encode() + body
    return "v1a," + base64.b64encode(KEY.sign(signed)).decode()


def test_what_the_reference_library_signs_is_accepted() -> None:
    """The standardwebhooks package signs, and its list of signatures is taken as it writes it."""
    signature = Webhook(SECRET.value).sign("msg_1", AT, BODY.decode())
    assert verify(sent(signature), SECRET) == Verified("shared", BODY, NOW_S)


def test_what_svix_signs_is_accepted_under_either_name() -> None:
    """Svix signs the same way; a source may be told that its headers are called svix-…."""
    signature = SvixWebhook(SECRET.value).sign("msg_1", AT, BODY.decode())
    svix = PROVIDER.configured(Options(table={"headers": "svix"}))
    assert verify(sent(signature), SECRET).key_id == "shared"
    assert verify(sent(signature, prefix="svix"), SECRET, provider=svix).key_id == "shared"
    with pytest.raises(Refused):
        verify(sent(signature, prefix="svix"), SECRET)


def test_header_names_are_one_of_two() -> None:
    """Another name is a mistake in the configuration, found at start."""
    with pytest.raises(ValueError, match="headers"):
        PROVIDER.configured(Options(table={"headers": ["svix"]}))


def test_a_public_key_verifies_beside_a_shared_one() -> None:
    """An ed25519 signature is checked with the sender's public key, whatever else the list and the secrets hold."""
    shared = Webhook(SECRET.value).sign("msg_1", AT, BODY.decode())
    for secrets in ((PUBLIC,), (SECRET, PUBLIC), (PUBLIC, SECRET)):
        assert verify(sent(asymmetric()), *secrets).key_id == "public"
        assert verify(sent(f"v1,AAAA {asymmetric()}"), *secrets).key_id == "public"
    assert verify(sent(f"{asymmetric(body=b'other')} {shared}"), PUBLIC, SECRET).key_id == "shared"


def test_every_bit_of_an_asymmetric_signature_counts() -> None:
    """One bit flipped in the list, the id or the body, and it is refused."""
    good = asymmetric()
    for place, bit in ((place, bit) for place in range(len(good)) for bit in range(8)):
        altered = good[:place] + chr(ord(good[place]) ^ 1 << bit) + good[place + 1 :]
        with pytest.raises(Refused):
            verify(sent(altered), PUBLIC)
    for place in range(len(BODY)):
        with pytest.raises(Refused):
            verify(sent(good), PUBLIC, body=BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :])


def test_a_public_key_is_never_a_shared_one() -> None:
    """Whoever knows the public key, which is no secret, can't sign with it as a shared key."""
    for value in (PUBLIC.value, PUBLIC.value.removeprefix("whpk_")):
        signature = Webhook(value.removeprefix("whpk_")).sign("msg_1", AT, BODY.decode())
        with pytest.raises(Refused):
            verify(sent(signature), PUBLIC)


@pytest.mark.parametrize("length", [0, 1, 23, 65, 200])
def test_keys_of_another_length_verify_nothing(length: int) -> None:
    """A shared key has 24 to 64 bytes; a shorter one could be guessed."""
    value = base64.b64encode(bytes(length)).decode()
    signature = "v1," + base64.b64encode(bytes(32)).decode()
    signed = Webhook(value).sign("msg_1", AT, BODY.decode()) if length else signature
    with pytest.raises(Refused):
        verify(sent(signed), Secret("short", f"whsec_{value}"))


def test_the_prefix_of_a_secret_may_be_left_out() -> None:
    """`whsec_` marks a secret and is no part of it."""
    signature = Webhook(SECRET.value).sign("msg_1", AT, BODY.decode())
    assert verify(sent(signature), Secret("bare", SECRET.value.removeprefix("whsec_"))).key_id == "bare"


def test_a_dot_in_the_id_is_refused() -> None:
    """The same signed text can't be divided another way into id, time and body."""
    body = f"{NOW_S}.{{}}".encode()
    signature = Webhook(SECRET.value).sign("msg_1", AT, body.decode())
    assert verify(sent(signature), SECRET, body=body).key_id == "shared"
    divided = sent(signature, message_id=f"msg_1.{NOW_S}")
    with pytest.raises(Refused):
        verify(divided, SECRET, body=b"{}")


def test_a_list_has_an_end() -> None:
    """Sixteen signatures are tried, not as many as fit into a header."""
    signature = Webhook(SECRET.value).sign("msg_1", AT, BODY.decode())
    assert verify(sent(" ".join(["v1,AAAA"] * 15 + [signature])), SECRET).key_id == "shared"
    with pytest.raises(Refused):
        verify(sent(" ".join(["v1,AAAA"] * 16 + [signature])), SECRET)
