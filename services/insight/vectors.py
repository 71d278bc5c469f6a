"""A payment's feature vector as it is kept for the day its label comes."""

from __future__ import annotations

from struct import Struct
from typing import Final

from services.insight.detector import FEATURES_VERSION
from services.insight.features import FEATURES
from services.insight.model import Payment

# One byte says which features these are, then each in single precision. Most are 0: what is stored is compressed.
_LAYOUT: Final = Struct(f"<B{len(FEATURES)}f")
_VERSION: Final = int(FEATURES_VERSION)
_pack = _LAYOUT.pack

# What is kept of a payment when it is learnt: its ordinal in the feed, itself, and its features as they were then,
# packed. A plain tuple, because one is made for every payment.
Seen = tuple[int, Payment, bytes]


def pack(values: list[float]) -> bytes:
    """Return a vector packed."""
    return _pack(_VERSION, *values)


def unpack(packed: bytes) -> list[float] | None:
    """Return a packed vector, None where it is of other features than today's."""
    if len(packed) != _LAYOUT.size or packed[0] != _VERSION:
        return None
    return list(_LAYOUT.unpack(packed)[1:])
