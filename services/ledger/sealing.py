"""Envelope encryption of raw bytes: sealed under a data key, which lies beside them wrapped under a master key.

AES-256-GCM (NIST SP 800-38D) both times. Master keys come from the settings and never touch what is stored; replacing
one means wrapping the data keys anew, not the bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
# One data key seals so many bodies: its nonces are counted, so none repeats, and one that leaks opens no more.
_SEALED_MAX: Final = 1 << 20
_REMEMBERED_MAX: Final = 1_024
_WRAPPING: Final = b"autopay ledger data key\0"

_Value = TypeVar("_Value")


class Unopenable(Exception):  # noqa: N818 - a state of the keys or the bytes, not a bug
    """What is sealed can't be opened: its key is not listed, or it was altered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Bytes under a data key.

    Attributes:
        ciphertext: the bytes, encrypted, with their tag.
        nonce: 12 bytes, unique under the data key.
        wrapped_key: the data key, encrypted under the master key, behind a nonce of its own.
        key_id: names the master key.
    """

    ciphertext: bytes
    nonce: bytes
    wrapped_key: bytes
    key_id: str


def parse_keys(text: str) -> dict[str, bytes]:
    """Return the master keys in `keyid:base64,keyid:base64`, in order; white space and line ends separate, too.

    Raises:
        ValueError: it is written in another way; never quotes a key.
    """
    keys: dict[str, bytes] = {}
    for place, entry in enumerate(text.replace(",", " ").split(), start=1):
        key_id, colon, encoded = entry.partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ValueError(f"key {place} must be keyid:base64, the id 1 to 32 of A-Z, a-z, 0-9, _ and -")
        if key_id in keys:
            raise ValueError(f"key id {key_id} stands twice")
        try:
            # Both alphabets of base64 are in use.
            key = base64.b64decode(encoded.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(f"key {key_id} must be {KEY_BYTES} bytes in base64 (openssl rand -base64 {KEY_BYTES})")
        keys[key_id] = key
    return keys


class KeyRing:
    """Seals under the first of its master keys, opens under any."""

    def __init__(self, keys: Mapping[str, bytes], *, random: Callable[[int], bytes]) -> None:
        """Use keys of 32 bytes by their ids; `random` returns so many unpredictable bytes.

        Raises:
            ValueError: there is no key.
        """
        # Not on the path of a ledger without keys: the import takes 80 ms.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        if not keys:
            raise ValueError("a key ring needs a key")
        self._cipher = AESGCM
        self._random = random
        self._masters = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.first = next(iter(keys))
        self._opened: OrderedDict[bytes, AESGCM] = OrderedDict()
        self._rewrapped: OrderedDict[bytes, bytes] = OrderedDict()
        self._renew()

    def seal(self, data: bytes, *, name: str) -> Sealed:
        """Encrypt; `name` is bound to the bytes: under another one they don't open."""
        if self._sealed == _SEALED_MAX:
            self._renew()
        nonce = self._sealed.to_bytes(_NONCE_BYTES, "big")
        self._sealed += 1
        return Sealed(
            ciphertext=self._data_key.encrypt(nonce, data, name.encode()),
            nonce=nonce,
            wrapped_key=self._wrapped,
            key_id=self.first,
        )

    def open(self, sealed: Sealed, *, name: str) -> bytes:
        """Decrypt.

        Raises:
            Unopenable: its master key is not in the ring, or a part of it, or `name`, is not what was sealed.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        data_key = self._opened.get(sealed.wrapped_key)
        if data_key is None:
            data_key = self._cipher(self._unwrap(sealed))
            _remember(self._opened, sealed.wrapped_key, data_key)
        try:
            return data_key.decrypt(sealed.nonce, sealed.ciphertext, name.encode())
        except (InvalidTag, ValueError):
            raise Unopenable(f"{name} was altered") from None

    def rewrap(self, sealed: Sealed) -> Sealed:
        """Return the same bytes with their data key wrapped under the first master key; who shared one still does.

        Raises:
            Unopenable: as `open`, but for the bytes themselves, which are not looked at.
        """
        if sealed.key_id == self.first:
            return sealed
        fresh = self._rewrapped.get(sealed.wrapped_key)
        if fresh is None:
            fresh = self._wrap(self._unwrap(sealed))
            _remember(self._rewrapped, sealed.wrapped_key, fresh)
        return replace(sealed, wrapped_key=fresh, key_id=self.first)

    def _renew(self) -> None:
        """Make a data key; what the last one sealed keeps it beside it."""
        data_key = self._random(KEY_BYTES)
        self._data_key = self._cipher(data_key)
        self._wrapped = self._wrap(data_key)
        self._sealed = 0

    def _wrap(self, data_key: bytes) -> bytes:
        nonce = self._random(_NONCE_BYTES)
        return nonce + self._masters[self.first].encrypt(nonce, data_key, _WRAPPING + self.first.encode())

    def _unwrap(self, sealed: Sealed) -> bytes:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        master = self._masters.get(sealed.key_id)
        if master is None:
            raise Unopenable(f"the key {sealed.key_id} is not listed")
        nonce, wrapped = sealed.wrapped_key[:_NONCE_BYTES], sealed.wrapped_key[_NONCE_BYTES:]
        try:
            return master.decrypt(nonce, wrapped, _WRAPPING + sealed.key_id.encode())
        except (InvalidTag, ValueError):
            raise Unopenable(f"its data key was not wrapped under the key {sealed.key_id}") from None


def _remember(known: OrderedDict[bytes, _Value], key: bytes, value: _Value) -> None:
    known[key] = value
    if len(known) > _REMEMBERED_MAX:
        known.popitem(last=False)
