"""The rules of an event's fields: what is refused is named, what is allowed passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import Fault, Kind
from services.ledger import requests
from services.ledger.currencies import exponent_of
from services.ledger.model import EventKind
from tests.fakes.ledger_items import event

LATEST_MS = 253_402_300_799_999


def refused(**fields: Any) -> str:
    """Return the field for which an event is refused, "" if it isn't."""
    try:
        requests.check_event(event(**fields))
    except Fault as fault:
        [wrong] = fault.fields
        return wrong.field
    return ""


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("tx_id", {"tx_id": ""}),
    ("tx_id", {"tx_id": "x" * 101}),
    ("tx_id", {"tx_id": "a b"}),
    ("tx_id", {"tx_id": "é"}),
    ("tx_id", {"tx_id": "T-1\n"}),
    ("tx_id", {"tx_id": "T/1"}),
    ("amount.minor_units", {"amount": 0}),
    ("amount.minor_units", {"amount": -1}),
    ("amount.currency", {"currency": "EURO"}),
    ("amount.currency", {"currency": "eur"}),
    ("amount.currency", {"currency": ""}),
    ("amount.currency", {"currency": "XXX"}),
    ("amount.currency", {"currency": "XAU"}),
    ("amount.exponent", {"exponent": 0}),
    ("amount.exponent", {"currency": "JPY", "exponent": 2}),
    ("sender_account", {"sender": "x" * 51}),
    ("sender_account", {"sender": "a:b"}),
    ("receiver_account", {"receiver": "a b"}),
    ("receiver_account", {"sender": "same", "receiver": "same"}),
    ("event_id", {"event_id": "x" * 201}),
    ("event_id", {"event_id": "a\0b"}),
    ("object_id", {"object_id": "x" * 201}),
    ("object_id", {"object_id": "\0"}),
    ("description", {"description": "x" * 501}),
    ("description", {"description": "a\0b"}),
    ("event_time_ms", {"time_ms": -1}),
    ("event_time_ms", {"time_ms": LATEST_MS + 1}),
    ("aliases", {"aliases": ("a",) * 17}),
    ("aliases", {"aliases": ("x" * 201,)}),
]


@pytest.mark.parametrize(("field", "fields"), WRONG)
def test_a_wrong_field_is_named(field: str, fields: dict[str, Any]) -> None:
    """Each rule refuses its field by the field's path, and nothing else."""
    assert refused(**fields) == field


@pytest.mark.parametrize(
    "fields",
    [
        {"tx_id": "x" * 100, "sender": "a" * 50, "receiver": "b" * 50, "description": "ö" * 500},
        {"tx_id": "A_z.0:-9", "amount": 2**63 - 1},
        {"currency": "JPY", "exponent": 0, "amount": 1},
        {"currency": "KWD", "exponent": 3},
        {"currency": "CLF", "exponent": 4},
        {"sender": "", "receiver": ""},
        {"sender": "only"},
        {"time_ms": 0},
        {"time_ms": LATEST_MS},
        {"aliases": ("x" * 200,) * 16, "object_id": "x" * 200, "event_id": "e" * 200},
    ],
)
def test_the_edges_of_what_is_allowed_pass(fields: dict[str, Any]) -> None:
    """The longest texts, the largest amount, every number of decimals and unknown accounts are accepted."""
    assert refused(**fields) == ""


@pytest.mark.parametrize("kind", list(EventKind))
def test_only_what_moves_money_needs_an_amount(kind: EventKind) -> None:
    """Authorized, captured, refunded and disputed events must state theirs; the others may leave it out."""
    needs = {EventKind.AUTHORIZED, EventKind.CAPTURED, EventKind.REFUNDED, EventKind.DISPUTE_OPENED}
    found = refused(kind=kind, amount=None, currency="", exponent=0, amount_fixed=False)
    assert found == ("amount" if kind in needs else "")


def test_no_description_repeats_the_value() -> None:
    """What is wrong may be personal: it is named and never shown."""
    for _, fields in WRONG:
        with pytest.raises(Fault) as raised:
            requests.check_event(event(**fields))
        assert (raised.value.kind, raised.value.reason) == (Kind.INVALID, "INVALID_FIELD")
        texts = [text for text in fields.values() if isinstance(text, str) and len(text) > 4]
        assert not any(text in raised.value.message for text in texts)


@pytest.mark.parametrize(
    ("check", "good", "wrong"),
    [
        (requests.check_source, ["a", "partner-1_b", "x" * 40], ["", "A", "x" * 41, "a.b", "a\n", "ä"]),
        (requests.check_delivery_id, ["a", "Ab-1_", "x" * 64], ["", "x" * 65, "a.b", "a b", "a\n", "é"]),
        (requests.check_tx_id, ["a", "A.b:c-1_", "x" * 100], ["", "x" * 101, "a/b", "a\n", "٣"]),
    ],
)
def test_names_are_held_to_their_letters(check: Callable[[str, str], None], good: list[str], wrong: list[str]) -> None:
    """Sources, delivery ids and payment ids have their letters and lengths, and nothing after them."""
    for name in good:
        check(name, "name")
    for name in wrong:
        with pytest.raises(Fault, match="name"):
            check(name, "name")


@given(st.text(min_size=1, max_size=120))
def test_any_text_passes_or_is_refused_as_a_fault(text: str) -> None:
    """Whatever an id holds, checking it ends in yes or in INVALID_FIELD, never in another error."""
    fields = {"tx_id": text, "event_id": text, "sender": text, "object_id": text, "description": text}
    assert refused(**fields) in {"", "tx_id", "event_id", "sender_account", "object_id", "description"}


@pytest.mark.parametrize(
    ("code", "exponent"), [("EUR", 2), ("JPY", 0), ("BHD", 3), ("CLF", 4), ("XAU", None), ("", None)]
)
def test_currencies_have_the_decimals_of_iso_4217(code: str, exponent: int | None) -> None:
    """The number of decimals is the standard's; gold and nonsense have none."""
    assert exponent_of(code) == exponent
