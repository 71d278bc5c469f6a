"""Bodies as they are stored: plain without a key, sealed with one, readable either way."""

from __future__ import annotations

import secrets

import bson
import pytest

from services.ledger.adapters.documents import encode
from services.ledger.adapters.encryption import body_of, seal_body, sealed_of
from services.ledger.sealing import KeyRing, Unopenable

NAME = "autopay:" + "ab" * 32
BODY = b'{"tx_id":"T-1"}'


def document() -> dict[str, object]:
    """A delivery as it is stored without a key."""
    return {"_id": NAME, "body": bson.Binary(BODY), "count": bson.Int64(1)}


def ring(**keys: bytes) -> KeyRing:
    """A key ring."""
    return KeyRing(keys, random=secrets.token_bytes)


def test_a_sealed_body_survives_storage_and_opens_again() -> None:
    """What BSON gives back opens to the bytes that arrived, and what is stored doesn't hold them."""
    keys = ring(k1=b"k" * 32)
    stored = document()
    seal_body(stored, keys)
    encoded = encode(stored)
    assert BODY not in encoded
    back = bson.decode(encoded)
    assert back["sealing"]["key_id"] == "k1"
    assert body_of(back, keys) == BODY


def test_a_plain_body_is_read_with_and_without_keys() -> None:
    """What was stored before there was a key stays readable."""
    assert sealed_of(document()) is None
    assert body_of(document(), None) == body_of(document(), ring(k1=b"k" * 32)) == BODY


def test_an_erased_body_is_empty() -> None:
    """Nothing is left, and nothing has to be opened."""
    assert body_of({"_id": NAME}, None) == b""


def test_a_sealed_body_without_its_key_is_not_taken_for_the_bytes() -> None:
    """Ciphertext is never returned as what arrived."""
    stored = document()
    seal_body(stored, ring(k1=b"k" * 32))
    for keys in (None, ring(k2=b"k" * 32)):
        with pytest.raises(Unopenable, match="the key k1 is not listed"):
            body_of(stored, keys)
