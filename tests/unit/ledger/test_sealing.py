"""Envelope encryption: what is sealed opens under any listed key, and only as what it was sealed as."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.ledger import sealing
from services.ledger.sealing import KeyRing, Unopenable, parse_keys

OLD, NEW = b"o" * 32, b"n" * 32
NAME = "autopay:" + "ab" * 32


def ring(**keys: bytes) -> KeyRing:
    """A key ring with these keys, the first one sealing."""
    return KeyRing(keys, random=secrets.token_bytes)


@given(data=some.binary(max_size=2_000), name=some.text(max_size=80).filter(lambda text: text.isprintable()))
def test_what_is_sealed_opens_to_the_same_bytes(data: bytes, name: str) -> None:
    """Whatever the bytes, they come back exact, also in another process with the same key."""
    sealed = ring(old=OLD).seal(data, name=name)
    assert ring(old=OLD).open(sealed, name=name) == data
    assert data not in sealed.ciphertext or len(data) < 8


def test_no_two_bodies_share_a_nonce_under_one_data_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nonces are counted; when a data key has sealed its share another one is made."""
    monkeypatch.setattr(sealing, "_SEALED_MAX", 10)
    keys = ring(old=OLD)
    sealed = [keys.seal(b"the same", name=NAME) for _ in range(35)]
    assert len({(each.wrapped_key, each.nonce) for each in sealed}) == 35
    assert len({each.wrapped_key for each in sealed}) == 4
    assert {keys.open(each, name=NAME) for each in sealed} == {b"the same"}


@pytest.mark.parametrize("part", ["ciphertext", "nonce", "wrapped_key"])
def test_altered_parts_do_not_open(part: str) -> None:
    """One flipped bit anywhere is noticed."""
    keys = ring(old=OLD)
    sealed = keys.seal(b"body", name=NAME)
    altered = bytearray(getattr(sealed, part))
    altered[-1] ^= 1
    change: dict[str, Any] = {part: bytes(altered)}
    with pytest.raises(Unopenable):
        keys.open(dataclasses.replace(sealed, **change), name=NAME)


def test_bytes_do_not_open_under_another_name() -> None:
    """A body moved to another delivery's document is noticed."""
    keys = ring(old=OLD)
    with pytest.raises(Unopenable, match="was altered"):
        keys.open(keys.seal(b"body", name=NAME), name="autopay:" + "cd" * 32)


def test_a_key_that_is_not_listed_is_named() -> None:
    """Who took a key off the list too early learns which one."""
    sealed = ring(old=OLD).seal(b"body", name=NAME)
    with pytest.raises(Unopenable, match="the key old is not listed"):
        ring(new=NEW).open(sealed, name=NAME)
    with pytest.raises(Unopenable, match="not wrapped under the key old"):
        ring(old=NEW).open(sealed, name=NAME)


def test_rotation_needs_the_old_key_only_until_data_keys_are_wrapped_anew() -> None:
    """The first key seals, every listed one opens, and re-wrapping leaves the bytes as they are."""
    before = ring(old=OLD).seal(b"body", name=NAME)
    both = ring(new=NEW, old=OLD)
    assert both.seal(b"x", name=NAME).key_id == "new"
    assert both.open(before, name=NAME) == b"body"
    after = both.rewrap(before)
    assert (after.key_id, after.ciphertext, after.nonce) == ("new", before.ciphertext, before.nonce)
    assert ring(new=NEW).open(after, name=NAME) == b"body"
    assert both.rewrap(after) is after
    # What shares a data key goes on sharing it, so that opening many costs one unwrapping.
    assert both.rewrap(before).wrapped_key == after.wrapped_key


def test_opening_remembers_a_bounded_number_of_data_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading what many processes sealed costs an unwrapping each, never memory without an end."""
    monkeypatch.setattr(sealing, "_REMEMBERED_MAX", 3)
    reader = ring(old=OLD)
    for _ in range(8):
        assert reader.open(ring(old=OLD).seal(b"body", name=NAME), name=NAME) == b"body"
    assert len(reader._opened) == 3


def test_keys_are_read_in_order_in_either_alphabet_of_base64() -> None:
    """A list on one line and a file with a key per line say the same."""
    plus = bytes([0xFB, 0xEF] * 16)
    assert "+" in base64.b64encode(plus).decode()
    for encode, separator in itertools.product((base64.b64encode, base64.urlsafe_b64encode), (",", "\n", ", ")):
        text = separator.join(f"{key_id}:{encode(key).decode()}" for key_id, key in (("b", plus), ("a", OLD)))
        assert list(parse_keys(text).items()) == [("b", plus), ("a", OLD)]
    assert parse_keys("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "c2VjcmV0",
        "a:",
        "a:c2VjcmV0",
        "a:" + base64.b64encode(b"x" * 31).decode(),
        "a:" + base64.b64encode(b"x" * 64).decode(),
        "a b:" + base64.b64encode(OLD).decode(),
        "a:" + "ä" * 44,
        ":" + base64.b64encode(OLD).decode(),
        ",".join(f"a:{base64.b64encode(key).decode()}" for key in (OLD, NEW)),
    ],
)
def test_keys_written_wrong_are_refused_without_being_quoted(text: str) -> None:
    """The sentence says which key and what it should be, and nothing of the key gets into a log."""
    with pytest.raises(ValueError, match="key") as caught:
        parse_keys(text)
    assert not any(len(part) > 4 and part in str(caught.value) for part in text.replace(",", ":").split(":"))


def test_a_ring_without_a_key_is_refused() -> None:
    """Encryption is on with a key or not at all."""
    with pytest.raises(ValueError, match="needs a key"):
        ring()
