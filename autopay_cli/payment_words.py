"""Payments in the words and figures of a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from autopay_cli.failure import Failure

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2
    from autopay.type.v1 import money_pb2
    from autopay_client.words import Words
    from google.protobuf.message import Message


def amount(value: money_pb2.Money) -> str:
    """Return an amount in major units, exactly, for example "42.50 EUR"; "" where there is none."""
    from autopay_client import decimal_of

    return f"{decimal_of(value)} {value.currency}" if value.currency else ""


def risk(payment: ledger_pb2.Transaction) -> str:
    """Return level and score."""
    from autopay_client.words import RISK_LEVEL

    if not payment.HasField("risk"):
        return "not scored"
    return f"{RISK_LEVEL.word(payment.risk.level) or 'unspecified'} ({payment.risk.score:.2f})"


def time(milliseconds: int) -> str:
    """Return milliseconds since the Unix epoch as UTC, to the second."""
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def json_line(message: Message) -> str:
    """Return a message as JSON on one line, with the contract's own field names."""
    from google.protobuf.json_format import MessageToJson

    return MessageToJson(message, preserving_proto_field_name=True, indent=None)


def checked(word: str, words: Words, option: str) -> str:
    """Return a word that the contract knows, or "".

    Raises:
        Failure: it knows others.
    """
    try:
        words.number(word)
    except ValueError as error:
        raise Failure(f"{option}: {error}.") from None
    return word


def instant(text: str, option: str) -> datetime | int:
    """Return a date or time in ISO 8601 (UTC unless it says otherwise), 0 for "".

    Raises:
        Failure: it is written in another way.
    """
    if not text:
        return 0
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"{option}: write a date or time like 2026-01-31 or 2026-01-31T09:30:00Z, not {text!r}."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
