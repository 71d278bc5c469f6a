"""A payment event as a row of a file, and back: the one format that import reads and export writes.

A row says one fact about one payment: money in major units as text, times in ISO 8601, enums as words. CSV holds the
same columns as JSON lines do; its two structured ones, `aliases` and `risk`, hold JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2
    from autopay.type.v1 import money_pb2, payment_pb2, risk_pb2
    from autopay_client.words import Words

Row = Mapping[str, Any]

COLUMNS: Final = (
    "source", "tx_id", "event_id", "kind", "amount", "currency", "basis", "object_id", "sender_account",
    "receiver_account", "event_time", "event_time_signed", "amount_fixed", "description", "aliases",
    "dispute_reason", "risk",
)  # fmt: skip
# Without an id, two of these with the same facts would be one: two refunds of 5 EUR must not look like one.
_NEED_EVENT_ID: Final = frozenset(
    {"refunded", "refund_failed", "capture_failed", "dispute_opened", "dispute_won", "dispute_lost", "returned"}
)
_TEXTS: Final = ("tx_id", "event_id", "object_id", "description")
_BOOLEANS: Final = {"": False, "false": False, "0": False, "true": True, "1": True}
_TIME_MS_MAX: Final = 253_402_300_799_999
_TIME_DIGITS: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class WrongRow(Exception):  # noqa: N818 - a property of a file's line
    """A row can't be an event: one clause that names the column."""


def item_of(row: Row, *, source: str) -> ledger_pb2.RecordItem:
    """Return a row as an item of its own for Record; `source` is that of a row that names none.

    Raises:
        WrongRow: a column is unknown, missing or malformed.
    """
    from autopay_client import item

    if unknown := next((name for name in row if name not in COLUMNS), None):
        raise WrongRow(f"{unknown}: is no column; the columns are {', '.join(COLUMNS)}")
    named = _text(row, "source") or source
    if not named:
        raise WrongRow("source: is missing; add the column, or --source")
    return item(named, _event(row), risk=_risk(row))


def _event(row: Row) -> payment_pb2.PaymentEvent:
    from autopay_client import event
    from autopay_client.words import BASIS, DISPUTE_REASON, KIND

    reason = _text(row, "dispute_reason")
    kind = _text(row, "kind")
    if not kind:
        raise WrongRow("kind: is missing")
    if kind in _NEED_EVENT_ID and not _text(row, "event_id"):
        raise WrongRow(f"event_id: is required for {kind}: without it, two equal ones would be one")
    return event(
        kind=_word(row, "kind", KIND),
        amount=_amount(row),
        basis=_word(row, "basis", BASIS),
        sender=_text(row, "sender_account"),
        receiver=_text(row, "receiver_account"),
        time=_time(row),
        time_signed=_boolean(row, "event_time_signed"),
        amount_fixed=_boolean(row, "amount_fixed"),
        aliases=_aliases(row),
        dispute_reason=DISPUTE_REASON.word(_word(row, "dispute_reason", DISPUTE_REASON)) if reason else "",
        **{name: _text(row, name) for name in _TEXTS},
    )


def rows_of(payment: ledger_pb2.Transaction) -> Sequence[Row]:
    """Return a payment, read in full, as rows: its events, the payment's risk with the first of them.

    What a correction replaced is left out, and the correction stands as the event that it accepted, so that the rows
    add up to the payment as it is; who accepted it, and why, stays in the ledger.
    """
    replaced = {id_ for each in payment.events for id_ in each.correction.replaced_event_ids}
    kept = [each for each in payment.events if each.event.event_id not in replaced]
    rows = [_row(payment.source, each.event, each.correction.event_id or each.event.event_id) for each in kept]
    if rows and payment.HasField("risk"):
        rows[0]["risk"] = _risk_value(payment.risk)
    return rows


def _row(source: str, fact: payment_pb2.PaymentEvent, event_id: str) -> dict[str, Any]:
    from autopay_client import decimal_of
    from autopay_client.words import BASIS, DISPUTE_REASON, KIND

    has_amount = fact.HasField("amount")
    row = {
        "source": source,
        "tx_id": fact.tx_id,
        "event_id": event_id,
        "kind": KIND.word(fact.kind),
        "amount": f"{decimal_of(fact.amount):f}" if has_amount else "",
        "currency": fact.amount.currency,
        "basis": BASIS.word(fact.basis) if has_amount else "",
        "object_id": fact.object_id,
        "sender_account": fact.sender_account,
        "receiver_account": fact.receiver_account,
        "event_time": _iso(fact.event_time_ms) if fact.event_time_ms else "",
        "event_time_signed": fact.event_time_signed,
        "amount_fixed": fact.amount_fixed,
        "description": fact.description,
        "aliases": list(fact.aliases),
        "dispute_reason": DISPUTE_REASON.word(fact.dispute_reason) if fact.dispute_reason else "",
    }
    return {name: value for name, value in row.items() if value or name in {"source", "tx_id", "kind"}}


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WrongRow(f"{name}: must be text")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise WrongRow(f"{name}: holds what is no character")
    return value


def _word(row: Row, name: str, words: Words) -> int:
    try:
        return words.number(_text(row, name))
    except ValueError as error:
        raise WrongRow(f"{name}: {error}") from None


def _amount(row: Row) -> money_pb2.Money | None:
    from autopay_client import money

    value, currency = row.get("amount"), _text(row, "currency")
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise WrongRow("amount: must be a number or its text")
    try:
        return money(value, currency)
    except ValueError as error:
        raise WrongRow(f"amount: {error}") from None


def _time(row: Row) -> int:
    value = row.get("event_time")
    if not isinstance(value, int) or isinstance(value, bool):
        text = _text(row, "event_time")
        is_number = text.isascii() and text.isdecimal() and len(text) < _TIME_DIGITS
        value = int(text) if is_number else _milliseconds(text)
    if not 0 <= value <= _TIME_MS_MAX:
        raise WrongRow("event_time: must be from 1970 to the year 9999")
    return value


def _milliseconds(text: str) -> int:
    if not text:
        return 0
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise WrongRow("event_time: must be ISO 8601, like 2026-01-31T09:30:00Z, or milliseconds") from None
    if instant.tzinfo is None:
        raise WrongRow("event_time: needs a zone, like the Z of 2026-01-31T09:30:00Z")
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _iso(milliseconds: int) -> str:
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _boolean(row: Row, name: str) -> bool:
    value = row.get(name, False)
    found = value if isinstance(value, bool) else _BOOLEANS.get(_text(row, name).lower())
    if found is None:
        raise WrongRow(f"{name}: must be true or false")
    return found


def _structure(row: Row, name: str, kind: type) -> Any:
    """Return a structured column, which is JSON where the file is CSV; None where there is none."""
    value = row.get(name)
    if isinstance(value, str) and value:
        try:
            value = json.loads(value, parse_float=Decimal)
        except (ValueError, RecursionError):
            raise WrongRow(f"{name}: must be JSON") from None
    if value is None or value == "":
        return None
    if not isinstance(value, kind):
        raise WrongRow(f"{name}: must be a JSON {'array' if kind is list else 'object'}")
    return value


def _aliases(row: Row) -> Sequence[str]:
    found = _structure(row, "aliases", list) or []
    return [_text({"aliases": alias}, "aliases") for alias in found]


def _risk(row: Row) -> risk_pb2.Risk | None:
    from autopay.type.v1 import risk_pb2
    from google.protobuf.json_format import ParseDict, ParseError

    found = _structure(row, "risk", dict)
    if found is None:
        return None
    try:
        return ParseDict(_floats(found), risk_pb2.Risk())
    except (ParseError, ValueError):
        raise WrongRow("risk: must be like autopay.type.v1.Risk in JSON") from None


def _risk_value(risk: risk_pb2.Risk) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(risk, preserving_proto_field_name=True)


def _floats(value: Any) -> Any:
    """Return JSON with floats for decimals: scores are no money."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: _floats(each) for name, each in value.items()}
    return [_floats(each) for each in value] if isinstance(value, list) else value
