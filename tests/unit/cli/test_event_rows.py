"""Rows of import and export: what is written is read back, and what is wrong is named."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import money_pb2, payment_pb2, risk_pb2
from hypothesis import given
from hypothesis import strategies as st

from autopay_cli.event_rows import WrongRow, item_of, rows_of
from autopay_cli.failure import Failure
from autopay_cli.row_reading import Bytes, Format, Line, lines_of
from autopay_cli.row_writing import Csv, JsonLines

# Everything that is a character and no NUL: quotes, commas, line ends, spaces at the ends, other scripts.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
AWKWARD = st.text(st.sampled_from("\",\r\n '=;\t\\\u2028é"), max_size=8)
MONEY = st.builds(
    money_pb2.Money,
    minor_units=st.integers(1, 2**63 - 1),
    currency=st.just("KWD"),
    exponent=st.just(3),
)
RISK = st.builds(
    risk_pb2.Risk,
    score=st.floats(0, 1),
    level=st.integers(1, 4),
    model_version=st.just("1"),
    reasons=st.lists(st.builds(risk_pb2.RiskReason, code=st.just("X"), sentence=TEXT), max_size=2),
)
EVENT = st.builds(
    payment_pb2.PaymentEvent,
    tx_id=st.just("T-1"),
    event_id=TEXT.filter(bool),
    kind=st.integers(1, 12),
    object_id=TEXT | AWKWARD,
    amount=st.none() | MONEY,
    amount_fixed=st.booleans(),
    sender_account=st.just("alice"),
    event_time_ms=st.integers(0, 253_402_300_799_999),
    event_time_signed=st.booleans(),
    description=TEXT | AWKWARD,
    aliases=st.lists(TEXT | AWKWARD, max_size=3),
    dispute_reason=st.integers(0, 10),
)


def payment_of(events: list[payment_pb2.PaymentEvent], risk: risk_pb2.Risk | None) -> ledger_pb2.Transaction:
    """A payment as the ledger returns it in full: amounts always have their basis."""
    for each in events:
        if each.HasField("amount"):
            each.basis = payment_pb2.AMOUNT_BASIS_CUMULATIVE
    recorded = [ledger_pb2.RecordedEvent(event=each) for each in events]
    return ledger_pb2.Transaction(source="orders", tx_id="T-1", events=recorded, risk=risk)


def reread(form: Format, payment: ledger_pb2.Transaction) -> list[ledger_pb2.RecordItem]:
    """The items of a payment's rows, written to a file and read back."""
    file = io.StringIO(newline="")
    writer = Csv(file) if form is Format.CSV else JsonLines(file)
    for row in rows_of(payment):
        writer.write(row)
    lines = list(lines_of(Bytes(io.BytesIO(file.getvalue().encode())), form))
    assert [line.wrong for line in lines] == [""] * len(lines)
    return [item_of(line.row, source="") for line in lines]


@pytest.mark.parametrize("form", list(Format))
@given(events=st.lists(EVENT, min_size=1, max_size=4), risk=st.none() | RISK)
def test_events_come_back_as_they_went(
    form: Format, events: list[payment_pb2.PaymentEvent], risk: risk_pb2.Risk | None
) -> None:
    """Whatever text, amount or time an event has, a file holds it exactly."""
    items = reread(form, payment_of(events, risk))
    assert [item.events[0].event for item in items] == events
    assert {item.source for item in items} == {"orders"}
    assert items[0].events[0].risk == (risk or risk_pb2.Risk())


def test_an_accepted_correction_stands_for_what_it_replaced() -> None:
    """The rows add up to the payment as it is, under the id by which the accepted facts are known."""
    wrong, right, other = (
        payment_pb2.PaymentEvent(tx_id="T-1", event_id=event_id, kind=payment_pb2.EVENT_KIND_CAPTURED)
        for event_id in ("e-1", "c-1", "e-2")
    )
    payment = payment_of([wrong, right, other], None)
    payment.events[1].correction.event_id = "e-1b"
    payment.events[1].correction.replaced_event_ids.append("e-1")
    assert [row["event_id"] for row in rows_of(payment)] == ["e-1b", "e-2"]


GOOD: dict[str, Any] = {"tx_id": "T-1", "kind": "captured", "amount": "1.50", "currency": "EUR"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": None}, "kind: is missing"),
        ({"kind": "stolen"}, "kind: 'stolen' is none of pending, authorized"),
        ({"kind": "refunded"}, "event_id: is required for refunded"),
        ({"basis": "total"}, "basis: 'total' is none of delta, cumulative"),
        ({"amount": "1.505"}, "amount: 1.505 has more than the 2 decimals of EUR"),
        ({"amount": True}, "amount: must be a number"),
        ({"amount": [1]}, "amount: must be a number"),
        ({"currency": ""}, "amount: a currency is an ISO 4217 code"),
        ({"currency": 978}, "currency: must be text"),
        ({"event_time": "yesterday"}, "event_time: must be ISO 8601"),
        ({"event_time": "2026-01-31T09:30:00"}, "event_time: needs a zone"),
        ({"event_time": -1}, "event_time: must be from 1970"),
        ({"event_time": 10**30}, "event_time: must be from 1970"),
        ({"event_time": "9" * 5_000}, "event_time: must be ISO 8601"),
        ({"amount_fixed": "perhaps"}, "amount_fixed: must be true or false"),
        ({"aliases": "{}"}, "aliases: must be a JSON array"),
        ({"aliases": "["}, "aliases: must be JSON"),
        ({"aliases": [1]}, "aliases: must be text"),
        ({"risk": {"level": "EXTREME"}}, "risk: must be like autopay.type.v1.Risk"),
        ({"risk": []}, "risk: must be a JSON object"),
        ({"description": "a\0b"}, "description: holds what is no character"),
        ({"tx_id": "\ud800"}, "tx_id: holds what is no character"),
        ({"colour": "red"}, "colour: is no column"),
    ],
)
def test_a_wrong_column_is_named(change: dict[str, Any], said: str) -> None:
    """One clause says which column and what is wrong with it."""
    with pytest.raises(WrongRow) as wrong:
        item_of({**GOOD, **change}, source="orders")
    assert str(wrong.value).startswith(said)


def test_a_row_needs_a_source_from_somewhere() -> None:
    """The row's own, else the option's."""
    assert item_of(GOOD, source="orders").source == "orders"
    assert item_of({**GOOD, "source": "partner"}, source="orders").source == "partner"
    with pytest.raises(WrongRow, match="source: is missing"):
        item_of(GOOD, source="")


def test_times_are_read_in_both_spellings() -> None:
    """ISO 8601 with any zone, or milliseconds since the Unix epoch."""
    spellings = [1_767_312_000_000, "1767312000000", "2026-01-02T00:00:00Z", "2026-01-02T02:00:00+02:00"]
    read = {item_of({**GOOD, "event_time": each}, source="s").events[0].event.event_time_ms for each in spellings}
    assert read == {1_767_312_000_000}


def lines(text: str | bytes, form: Format) -> list[Line]:
    """The lines of a file with this content."""
    return list(lines_of(Bytes(io.BytesIO(text.encode() if isinstance(text, str) else text)), form))


def test_json_numbers_keep_their_digits() -> None:
    """An amount is never a float on the way."""
    (line,) = lines('{"amount": 10.000000000000000001}', Format.JSONL)
    assert line.row == {"amount": Decimal("10.000000000000000001")}


def test_a_wrong_line_of_json_is_one_wrong_line() -> None:
    """Broken JSON, another type, a key that stands twice, bytes that are no text: the others are read."""
    content = b'\xef\xbb\xbf{"tx_id": "A"}\n\n[]\n{"a": 1, "a": 2}\n{\n"\xff"\n' + b"[" * 100_000 + b'\n{"tx_id": "B"}'
    found = lines(content, Format.JSONL)
    assert [(line.number, line.wrong) for line in found] == [
        (1, ""),
        (3, "is no JSON object"),
        (4, "holds a key twice"),
        (5, "is no JSON"),
        (6, "is no JSON"),
        (7, "is no JSON"),
        (8, ""),
    ]


def test_a_csv_row_has_the_line_that_it_ends_on() -> None:
    """A quoted text may go over several lines; a row of another length is wrong by itself."""
    content = 'tx_id,description\r\nA,"two\r\nlines"\r\nB\r\n\r\nC,x\r\n'
    found = lines(content, Format.CSV)
    assert [(line.number, line.wrong) for line in found] == [(3, ""), (4, "has 1 columns, the header 2"), (6, "")]
    assert found[0].row["description"] == "two\r\nlines"


@pytest.mark.parametrize(
    ("content", "form", "said"),
    [
        (b"", Format.CSV, "line 1: the header must name columns"),
        (b"tx_id,colour\r\n", Format.CSV, "'colour' is none"),
        (b"tx_id,tx_id\r\n", Format.CSV, "each once"),
        (b'tx_id\r\nA\r\n"B', Format.CSV, "line 3: is no CSV"),
        (b"x" * (1024 * 1024 + 1), Format.JSONL, "line 1 is longer than a MiB"),
    ],
)
def test_a_file_that_can_not_be_split_into_rows_is_refused(content: bytes, form: Format, said: str) -> None:
    """Where the next row begins must be known."""
    with pytest.raises(Failure) as refused:
        lines(content, form)
    assert said in str(refused.value)
