"""A payment's feature vector as it is kept for the day its label comes: the places that are not 0, in few bytes."""

from __future__ import annotations

from itertools import compress
from struct import Struct
from typing import Final, NamedTuple

from services.insight.detector import FEATURES_VERSION
from services.insight.features import FEATURES
from services.insight.model import Payment

_WIDTH: Final = len(FEATURES)
_PLACES: Final = range(_WIDTH)
# One byte says which features these are; then a byte for each place that is not 0, then its value in single precision.
_VERSION: Final = bytes([int(FEATURES_VERSION)])
_PLACE_AND_VALUE_BYTES: Final = 5
_VALUES: Final = tuple(Struct(f"<{count}f") for count in range(_WIDTH + 1))


class Seen(NamedTuple):
    """What is kept of a payment when it is learnt; a tuple, because one is made for every payment.

    Attributes:
        payment: the payment.
        vector: its features as they were then, packed.
    """

    payment: Payment
    vector: bytes


def pack(values: list[float]) -> bytes:
    """Return a vector packed; most places are 0 and take nothing."""
    places = bytes(compress(_PLACES, values))
    return _VERSION + places + _VALUES[len(places)].pack(*filter(None, values))


def unpack(packed: bytes) -> list[float] | None:
    """Return a packed vector, None where it is of other features than today's."""
    if packed[:1] != _VERSION:
        return None
    count = len(packed) // _PLACE_AND_VALUE_BYTES
    values = [0.0] * _WIDTH
    for place, value in zip(packed[1 : 1 + count], _VALUES[count].unpack_from(packed, 1 + count), strict=True):
        values[place] = value
    return values
