"""What the native body means, and what is wrong with the ones that mean nothing."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.contract import Basis, Event, Kind, Unprocessable
from tests.unit.providers.native_bodies import TYPICAL, body_with, body_with_token, mapped, wrong


def test_a_typical_body_is_a_captured_payment() -> None:
    """Without a status a payment succeeded, and its amount is the whole of it."""
    assert mapped(body_with()) == Event(
        tx_id="T-1",
        kind=Kind.CAPTURED,
        amount_minor=1050,
        currency="EUR",
        exponent=2,
        basis=Basis.CUMULATIVE,
        amount_fixed=True,
        sender_account="alice-1",
        receiver_account="bob_2",
    )


def test_every_optional_field_is_taken() -> None:
    """Event id, time and description reach the event; the time is signed; unknown fields mean nothing."""
    event = mapped(
        body_with(event_id="evt:1", timestamp=1_700_000_000, description=" Rent <b>May</b> ", unknown={"a": [1e300]})
    )
    assert (event.event_id, event.description) == ("evt:1", "Rent May")
    assert (event.event_time_ms, event.event_time_signed) == (1_700_000_000_000, True)


@pytest.mark.parametrize("field", ["status", "description", "event_id", "object_id", "timestamp"])
def test_null_is_the_same_as_absent(field: str) -> None:
    """An optional field that is null was not given."""
    assert mapped(body_with_token(field, "null")) == mapped(body_with())


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_status_by_its_name(kind: Kind) -> None:
    """The statuses are the event kinds in lower case."""
    event = mapped(body_with(status=kind.name.lower(), event_id="E-1"))
    assert (event.kind, event.amount_minor) == (kind, 1050)
    whole = kind <= Kind.CANCELED
    assert (event.amount_fixed, event.basis) == (whole, Basis.CUMULATIVE if whole else Basis.DELTA)


def test_success_means_captured() -> None:
    """`success` is the word senders use."""
    assert mapped(body_with(status="success")).kind is Kind.CAPTURED


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind > Kind.CANCELED])
def test_kinds_that_may_repeat_need_an_event_id(kind: Kind) -> None:
    """Two real refunds of five dollars must not look like one."""
    assert wrong(body_with(status=kind.name.lower())) == {"event_id": "is required with this status"}


@pytest.mark.parametrize(
    ("status", "object_id", "expected"),
    [
        ("captured", "ch_1", ""),
        ("refunded", "re_1", "re_1"),
        ("refunded", None, "E-1"),
        ("dispute_opened", None, "E-1"),
        ("refund_failed", "re_1", "re_1"),
        ("refund_failed", None, ""),
        ("capture_failed", "ch_1", "ch_1"),
        ("dispute_won", "dp_1", "dp_1"),
        ("dispute_lost", None, ""),
        ("returned", None, ""),
    ],
)
def test_amounts_belong_to_their_object(status: str, object_id: str | None, expected: str) -> None:
    """A refund or dispute opens an object of its own, by its own id or the event's; the payment's needs no name."""
    assert mapped(body_with(status=status, event_id="E-1", object_id=object_id)).object_id == expected


@pytest.mark.parametrize(("field", "longest"), [("tx_id", 100), ("sender_account", 50), ("receiver_account", 50)])
def test_identifiers_are_short_and_plain(field: str, longest: int) -> None:
    """Length and alphabet are checked to the edge."""
    assert getattr(mapped(body_with(**{field: "x" * longest})), field) == "x" * longest
    for value in ["", "x" * (longest + 1), "a b", "a.b", "é", "a\n", "a\0", "\ud800", 7, 1.5, True, ["a"]]:
        assert list(wrong(body_with(**{field: value}))) == [field]
    assert wrong(body_with(**{field: None})) == {field: "is required"}


@pytest.mark.parametrize("field", ["event_id", "object_id"])
def test_event_and_object_ids_are_printable_ascii(field: str) -> None:
    """Up to 200 characters without spaces."""
    assert getattr(mapped(body_with(status="refunded", **{"event_id": "E", field: "!~" * 100})), field) == "!~" * 100
    for value in ["", "x" * 201, "a b", "é", "a\t", "\x7f", 7]:
        assert list(wrong(body_with(**{field: value}))) == [field]


@pytest.mark.parametrize("value", ["Success", "settled", "", 3, True, ["success"], {}])
def test_what_is_no_status_is_refused(value: object) -> None:
    """A status that isn't known is not guessed at."""
    assert list(wrong(body_with(status=value))) == ["status"]


@pytest.mark.parametrize("value", ["1700000000", 1.5, -1, True, 10**12, 253_402_300_800, [], "now"])
def test_what_is_no_time_is_refused(value: object) -> None:
    """A timestamp is whole seconds as a number, up to the year 9999."""
    assert list(wrong(body_with(timestamp=value))) == ["timestamp"]


def test_accounts_differ() -> None:
    """A payment to oneself is not one."""
    problem = {"receiver_account": "must differ from sender_account"}
    assert wrong(body_with(sender_account="same", receiver_account="same")) == problem


def test_a_description_may_have_500_characters_after_cleaning() -> None:
    """What is removed does not count."""
    assert len(mapped(body_with(description="<i>" * 50 + "é" * 500)).description) == 500
    assert list(wrong(body_with(description="é" * 501))) == ["description"]


@pytest.mark.parametrize("value", [7, 1.5, True, ["a"], {"a": 1}, "half \ud83d of a pair"])
def test_what_is_no_text_is_refused_as_description(value: object) -> None:
    """A description is a string of real characters."""
    assert list(wrong(body_with(description=value))) == ["description"]


def test_every_wrong_field_is_named_at_once() -> None:
    """A sender corrects a body in one go."""
    fields = {
        "tx_id": "",
        "amount": "ten",
        "currency": "???",
        "sender_account": 1,
        "receiver_account": " ",
        "status": "odd",
        "description": 1,
        "event_id": "a b",
        "object_id": "",
        "timestamp": "now",
    }
    assert set(wrong(json.dumps(fields).encode())) == set(fields)


def test_an_empty_object_lacks_what_is_required() -> None:
    """The five required fields, and only those."""
    assert wrong(b"{}") == dict.fromkeys(TYPICAL, "is required")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{",
        b"{} {}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"amount": 1, "amount": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": "\x00"}',
        b'{"a": 01}',
        b'{"a": "\xed\xa0\x80"}',
        b"[" * 200_000,
        b'{"a":' * 40_000,
    ],
)
def test_what_is_no_strict_json_object_is_refused(body: bytes) -> None:
    """Nothing that two parsers could read differently, nothing that breaks one."""
    assert list(wrong(body)) == ["body"]


def test_descriptions_of_wrong_fields_never_repeat_a_value() -> None:
    """They go into logs and answers; a value may be anything."""
    secret = "hunter2"
    fields = dict.fromkeys([*TYPICAL, "status", "event_id", "timestamp"], secret + " ")
    for body in (json.dumps(fields).encode(), f'{{"{secret}": 1, "{secret}": 2}}'.encode(), secret.encode()):
        assert secret not in str(wrong(body))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*TYPICAL, "status", "description", "event_id", "timestamp"]), VALUES))
def test_whatever_is_sent_is_mapped_or_unprocessable(fields: dict[str, object]) -> None:
    """No body makes mapping fail in any other way."""
    with contextlib.suppress(Unprocessable):
        mapped(json.dumps({**TYPICAL, **fields}).encode())


@given(st.binary(max_size=100))
def test_random_bytes_are_unprocessable(body: bytes) -> None:
    """The same for bytes that are no JSON at all."""
    with pytest.raises(Unprocessable):
        mapped(body)
