"""How the native provider believes or refuses a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.contract import Secret, Verified
from tests.unit.providers.signing import (
    NOW_S,
    OLD_SECRET,
    SECRET,
    headers,
    hexdigest,
    signed_headers,
    signed_inside,
)
from tests.unit.providers.verifying import BODY, DATED, INVALID, NONE, OUTSIDE, refusal, verify


def test_timestamp_and_signature_headers_verify() -> None:
    """The first form signs the timestamp, a dot and the exact body."""
    assert verify(BODY, signed_headers(BODY)) == Verified("current", BODY, NOW_S)


def test_signature_header_alone_verifies_a_dated_body() -> None:
    """The second form signs the exact body, whose timestamp dates it."""
    assert verify(DATED, headers(("X-Signature", hexdigest(DATED)))) == Verified("current", DATED, NOW_S)


def test_signature_in_the_body_verifies_its_canonical_form() -> None:
    """The third form signs the canonical JSON without `signature`, and that is what is passed on."""
    fields = {"tx_id": "T-1", "amount": "10.50", "timestamp": NOW_S, "note": "grüße €"}
    canonical = '{"amount":"10.50","note":"grüße €","timestamp":1700000000,"tx_id":"T-1"}'.encode()
    assert verify(signed_inside(fields), NONE) == Verified("current", canonical, NOW_S)


@pytest.mark.parametrize("written", ["sha256={}", "{}"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_signatures_may_be_prefixed_and_in_either_case(written: str, case: object) -> None:
    """`sha256=` is optional, and hexadecimal digits have no case."""
    signature = written.format(case(hexdigest(DATED)))  # type: ignore[operator]  # a str method
    assert verify(DATED, headers(("X-Signature", signature))).key_id == "current"


def test_every_active_secret_verifies_and_is_named() -> None:
    """During a rotation both secrets pass, and the one that matched is recorded."""
    both = (SECRET, OLD_SECRET)
    assert verify(BODY, signed_headers(BODY, secret=OLD_SECRET), secrets=both).key_id == "previous"
    assert verify(BODY, signed_headers(BODY), secrets=both).key_id == "current"


@pytest.mark.parametrize("secrets", [(), (OLD_SECRET,), (Secret("empty", ""),)])
def test_no_secret_that_matches_is_a_refusal(secrets: tuple[Secret, ...]) -> None:
    """Nothing fails open: not without secrets, not with another one, not with an empty one."""
    empty = Secret("empty", "")
    assert refusal(BODY, signed_headers(BODY), secrets=secrets) == INVALID
    assert refusal(BODY, signed_headers(BODY, secret=empty), secrets=secrets) == INVALID


@given(st.integers(0, len(BODY) * 8 - 1))
def test_one_flipped_bit_of_the_body_is_a_refusal(bit: int) -> None:
    """The signature covers every bit of the body."""
    flipped = bytearray(BODY)
    flipped[bit // 8] ^= 1 << bit % 8
    assert refusal(bytes(flipped), signed_headers(BODY)) == INVALID


@given(st.integers(0, 255))
def test_one_flipped_bit_of_the_signature_is_a_refusal(bit: int) -> None:
    """Every bit of the signature counts."""
    wrong = f"{int(hexdigest(DATED), 16) ^ 1 << bit:064x}"
    assert refusal(DATED, headers(("X-Signature", wrong))) == INVALID


@given(st.integers(-300, 5).filter(bool))
def test_another_timestamp_is_a_refusal(change_s: int) -> None:
    """A timestamp inside the window still has to be the signed one."""
    signature = signed_headers(BODY)["X-Signature"]
    moved = headers(("X-Timestamp", str(NOW_S + change_s)), ("X-Signature", signature))
    assert refusal(BODY, moved) == INVALID


@pytest.mark.parametrize("header", ["X-Timestamp", "X-Signature"])
@pytest.mark.parametrize("name", [str.lower, str.upper])
def test_a_security_header_that_occurs_twice_is_a_refusal(header: str, name: object) -> None:
    """Even with the same value: which one counts would be a matter of who reads it."""
    good = signed_headers(BODY)
    twice = headers(*good.items(), (name(header), good[header]))  # type: ignore[operator]  # a str method
    assert refusal(BODY, twice) == INVALID


@pytest.mark.parametrize(
    "signature",
    [
        "",
        " ",
        "sha256=",
        "sha512=" + "0" * 64,
        "SHA256=" + hexdigest(DATED),
        "sha256=sha256=" + hexdigest(DATED),
        hexdigest(DATED)[:-1],
        hexdigest(DATED) + "0",
        hexdigest(DATED) + ", " + hexdigest(DATED),
        hexdigest(DATED)[:62] + "  ",
        " " + hexdigest(DATED)[:63],
        hexdigest(DATED)[:63] + "\u0661",
        "g" * 64,
        "\udcff" * 64,
        "0" * 100_000,
    ],
)
def test_a_malformed_signature_never_falls_back_to_another_form(signature: str) -> None:
    """A present X-Signature must hold, even where the body would verify by itself."""
    inside = signed_inside({"tx_id": "T-1", "timestamp": NOW_S})
    assert refusal(inside, headers(("X-Signature", signature))) == INVALID
    dated = headers(("X-Timestamp", str(NOW_S)), ("X-Signature", signature))
    assert refusal(inside, dated) == INVALID


def test_a_body_signature_in_the_headers_with_a_timestamp_header_is_a_refusal() -> None:
    """X-Timestamp makes it the first form; a signature of the second form does not hold there."""
    mixed = headers(("X-Timestamp", str(NOW_S)), ("X-Signature", hexdigest(DATED)))
    assert refusal(DATED, mixed) == INVALID


def test_a_timestamp_header_without_a_signature_header_is_a_refusal() -> None:
    """X-Timestamp announces the first form, and that has a signature header."""
    inside = signed_inside({"tx_id": "T-1", "timestamp": NOW_S})
    assert refusal(inside, headers(("X-Timestamp", str(NOW_S)))) == INVALID


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "1_700_000_000",
        "+1700000000",
        "-1",
        " 1700000000",
        "1.7e9",
        "1700000000.0",
        "0x65",
        "\uff11\uff17",
        "²",
        "1" * 13,
    ],
)
def test_timestamps_are_ascii_digits(timestamp: str) -> None:
    """What int() would also take is refused, even correctly signed."""
    assert refusal(BODY, signed_headers(BODY, timestamp=timestamp)) == INVALID


@pytest.mark.parametrize(
    ("age_s", "reason"), [(300, None), (300.001, OUTSIDE), (0, None), (-5, None), (-5.001, OUTSIDE), (1e9, OUTSIDE)]
)
@pytest.mark.parametrize("form", ["headers", "header", "body"])
def test_the_window_closes_at_its_edges(form: str, age_s: float, reason: str | None) -> None:
    """Old enough or far enough ahead is outside, to the fraction of a second, in every form."""
    inside = signed_inside({"tx_id": "T-1", "timestamp": NOW_S})
    body, given_headers = {
        "headers": (BODY, signed_headers(BODY)),
        "header": (DATED, headers(("X-Signature", hexdigest(DATED)))),
        "body": (inside, NONE),
    }[form]
    if reason is None:
        assert verify(body, given_headers, now_s=NOW_S + age_s).signed_at_s == NOW_S
    else:
        assert refusal(body, given_headers, now_s=NOW_S + age_s) == reason


def test_a_wrong_signature_outside_the_window_says_nothing_of_the_window() -> None:
    """The window is looked at only once the signature holds."""
    wrong = signed_headers(BODY, secret=OLD_SECRET)
    assert refusal(BODY, wrong, now_s=NOW_S + 1e6) == INVALID
