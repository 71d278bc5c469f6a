"""Bodies of deliveries as they are stored: as they came, or sealed where there is a key to seal them with.

Sealed, `body` holds the ciphertext and `sealing` what it takes to open it. Without a key nothing differs from before
there was encryption, and a ledger without keys reads every body that was stored without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bson import Binary

from mesh.errors import Fault, Kind
from services.ledger.sealing import KeyRing, Sealed, Unopenable

SEALING: Final = "sealing"


def seal_body(document: dict[str, Any], keys: KeyRing) -> None:
    """Seal the body of a delivery that is about to be stored."""
    put_sealed(document, keys.seal(document["body"], name=document["_id"]))


def put_sealed(document: dict[str, Any], sealed: Sealed) -> None:
    """Put a sealed body in the place of the plain one."""
    document["body"] = Binary(sealed.ciphertext)
    document[SEALING] = sealing_of(sealed)


def sealing_of(sealed: Sealed) -> dict[str, Any]:
    """Return what stands beside a sealed body."""
    return {"key_id": sealed.key_id, "nonce": sealed.nonce, "wrapped_key": sealed.wrapped_key}


def sealed_of(document: Mapping[str, Any]) -> Sealed | None:
    """Return the sealed body of a stored delivery, None where it is plain; a body that was not read is empty."""
    sealing = document.get(SEALING)
    if sealing is None:
        return None
    return Sealed(
        ciphertext=bytes(document.get("body", b"")),
        nonce=bytes(sealing["nonce"]),
        wrapped_key=bytes(sealing["wrapped_key"]),
        key_id=sealing["key_id"],
    )


def body_of(document: Mapping[str, Any], keys: KeyRing | None) -> bytes:
    """Return the bytes that arrived, empty where they were erased.

    Raises:
        Unopenable: they are sealed under a key that is not listed, or were altered.
    """
    sealed = sealed_of(document)
    if sealed is None:
        return bytes(document.get("body", b""))
    if keys is None:
        raise Unopenable(f"the key {sealed.key_id} is not listed, nor is any other")
    return keys.open(sealed, name=document["_id"])


def key_missing(error: Unopenable) -> Fault:
    """Return what it means for a caller that bytes can't be opened."""
    return Fault(
        kind=Kind.CONFLICT,
        reason="KEY_MISSING",
        message=f"The bytes can't be shown: {error}. LEDGER_BODY_KEYS lists the ledger's keys.",
    )
