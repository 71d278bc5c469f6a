"""Feature vectors as they are kept."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insight.features import FEATURES
from services.insight.vectors import pack, unpack

VALUES = st.just(0.0) | st.floats(-16.0, 16.0, width=32)


@given(st.lists(VALUES, min_size=len(FEATURES), max_size=len(FEATURES)))
def test_a_vector_comes_back(values: list[float]) -> None:
    """Every place holds what it held, in single precision."""
    assert unpack(pack(values)) == values


def test_a_vector_of_other_features_is_none() -> None:
    """What another version of the features stored is not taken for today's."""
    packed = pack([1.0] * len(FEATURES))
    assert unpack(bytes([packed[0] + 1]) + packed[1:]) is None
    assert unpack(packed[:-4]) is None
    assert unpack(b"") is None


def test_precision_is_single() -> None:
    """A value is kept to seven digits."""
    value = 1 / 3
    kept = unpack(pack([value] + [0.0] * (len(FEATURES) - 1)))
    assert kept is not None
    assert kept[0] == pytest.approx(value, rel=1e-7)
    assert kept[0] == struct.unpack("<f", struct.pack("<f", value))[0]
