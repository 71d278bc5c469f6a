"""Whatever a stranger sends, the native provider's verification ends cleanly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from providers.autopay import PROVIDER, AutopayProvider
from providers.contract import Refused, Secret, Window
from tests.unit.providers.signing import (
    NOW_S,
    headers,
    hexdigest,
    signed_headers,
    signed_inside,
)
from tests.unit.providers.verifying import BODY, INVALID, NONE, refusal, verify


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"not json",
        b"[1700000000]",
        b'{"timestamp": "1700000000"}',
        b'{"timestamp": 1700000000.0}',
        b'{"timestamp": true}',
        b'{"timestamp": null}',
        b'{"timestamp": -1700000000}',
        b'{"timestamp": 1700000000000}',
        b'{"timestamp": 1700000000, "timestamp": 1700000000}',
        b"[" * 100_000,
    ],
)
def test_a_signed_body_without_a_usable_timestamp_is_a_refusal(body: bytes) -> None:
    """Nothing would stop its replay."""
    assert refusal(body, headers(("X-Signature", hexdigest(body)))) == INVALID


def test_the_in_body_form_can_be_switched_off() -> None:
    """Without it an unsigned request is refused unparsed; the header forms go on."""
    strict = AutopayProvider(in_body_allowed=False)
    inside = signed_inside({"tx_id": "T-1", "timestamp": NOW_S})
    assert refusal(inside, NONE, provider=strict) == INVALID
    assert verify(BODY, signed_headers(BODY), provider=strict).key_id == "current"


def test_in_body_limits_are_inclusive() -> None:
    """16,384 bytes and a depth of 16 still verify, one more does not."""
    deep: object = 1
    for _ in range(15):
        deep = [deep]
    assert verify(signed_inside({"deep": deep, "timestamp": NOW_S}), NONE).key_id == "current"
    assert refusal(signed_inside({"deep": [deep], "timestamp": NOW_S}), NONE) == INVALID
    size = len(signed_inside({"pad": "", "timestamp": NOW_S}))
    assert len(verify(signed_inside({"pad": "x" * (16_384 - size), "timestamp": NOW_S}), NONE).body) < 16_384
    assert refusal(signed_inside({"pad": "x" * (16_385 - size), "timestamp": NOW_S}), NONE) == INVALID


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 16_000,
        b'{"a":' * 3_000,
        b'{"signature": 7, "timestamp": 1700000000}',
        b'{"signature": null, "timestamp": 1700000000}',
        b'{"signature": "00", "timestamp": 1700000000}',
        b'{"signature": "%b"}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": "1700000000"}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": 1700000000, "timestamp": 1700000000}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": 1700000000, "a": {"b": 1, "b": 1}}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": 1700000000, "n": 9007199254740993}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": 1700000000, "n": 1e400}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": 1700000000, "n": NaN}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": 1700000000, "n": %b}' % (b"0" * 64, b"9" * 5_000),
        b'{"signature": "%b", "timestamp": 1700000000, "s": "\\ud800"}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": 1700000000, "\\ud800": 1}' % (b"0" * 64),
        b'{"signature": "%b", "timestamp": 1700000000, "s": "a\x00b"}' % (b"0" * 64),
    ],
)
def test_a_poison_body_is_a_clean_refusal(body: bytes) -> None:
    """Whatever can't be parsed or canonicalised is refused, never an error."""
    assert refusal(body, NONE) == INVALID


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    body=st.binary(max_size=64)
    | st.dictionaries(st.sampled_from(["timestamp", "signature", "a"]), JSON_VALUES).map(
        lambda fields: json.dumps(fields).encode()
    ),
    pairs=st.lists(
        st.tuples(
            st.sampled_from(["X-Signature", "x-signature", "X-Timestamp", "Other"]),
            st.text(st.characters(), max_size=80) | st.just("0" * 64) | st.just(str(NOW_S)),
        ),
        max_size=4,
    ),
    secret=st.text(st.characters(), max_size=8),
)
def test_whatever_is_sent_is_refused_or_verified(body: bytes, pairs: list[tuple[str, str]], secret: str) -> None:
    """No input makes verification fail in any other way, and nobody guesses a signature."""
    with pytest.raises(Refused):
        PROVIDER.verify(
            body,
            CIMultiDictProxy(CIMultiDict(pairs)),
            (Secret("k", secret),),
            now_s=NOW_S,
            window=Window(age_s_max=1e12, skew_s_max=1e12),
        )
