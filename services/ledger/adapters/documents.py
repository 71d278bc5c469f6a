"""Payments and deliveries as BSON documents, and back.

Money is always int64 (a plain int would be stored as int32 when small), times are BSON dates from milliseconds,
enums are their names in lower case. What is empty is left out. `schema` is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import bson
from bson import CodecOptions, Int64
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError

from services.ledger.adapters.analysis_documents import of_queued, to_analysis
from services.ledger.adapters.event_documents import date, integer, of_event, of_tally, to_events, to_tally
from services.ledger.model import Delivery, Disposition, Flag, Item, Payment, Status, Totals, Unstorable
from services.ledger.schema import TooNew

SCHEMA: Final = 1
# MongoDB's own bound is 16 MiB, of a change stream's entry as well; a delivery near a megabyte is none.
DOCUMENT_BYTES_MAX: Final = 1_000_000
# A payment may have tens of thousands of refunds, each of which has its place in the tally.
PAYMENT_BYTES_MAX: Final = 4_000_000
CODEC: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, tz_aware=False
)

_STATUSES: Final = {status: status.name.lower() for status in Status}
_FLAGS: Final = {flag: flag.name.lower() for flag in Flag}
_ONE: Final = Int64(1)
_ZERO: Final = Int64(0)
DISPOSITIONS: Final = {disposition: disposition.name.lower() for disposition in Disposition}


def encode(document: Mapping[str, Any], *, bytes_max: int = DOCUMENT_BYTES_MAX) -> bytes:
    """Return one document's BSON.

    Raises:
        Unstorable: a value BSON can't hold (an integer beyond 64 bits, a lone surrogate, a NUL in a key), or too large.
    """
    try:
        encoded = bson.encode(document)
    except (BSONError, OverflowError, UnicodeError, TypeError, ValueError) as error:
        raise Unstorable(_guilty_field(document)) from error
    if len(encoded) > bytes_max:
        raise Unstorable("document")
    return encoded


def _guilty_field(document: Mapping[str, Any]) -> str:
    """Return the top-level field that can't be encoded; only called when something can't."""
    for name, value in document.items():
        try:
            bson.encode({name: value})
        except (BSONError, OverflowError, UnicodeError, TypeError, ValueError):
            return name.replace("\0", "\\0").encode("ascii", "backslashreplace").decode()
    return "document"


def state_of(payment: Payment) -> dict[str, Any]:
    """Return the fields of a payment that an event can change, all of them each time."""
    totals = payment.totals
    state: dict[str, Any] = {
        "version": payment.version,
        "status": _STATUSES[payment.status],
        "totals": {
            "authorized": Int64(totals.authorized) if totals.authorized else _ZERO,
            "captured": Int64(totals.captured) if totals.captured else _ZERO,
            "refunded": Int64(totals.refunded) if totals.refunded else _ZERO,
            "disputed": Int64(totals.disputed) if totals.disputed else _ZERO,
        },
        "flags": [_FLAGS[flag] for flag in payment.flags],
        "amount_fixed": payment.amount_fixed,
        "updated_at": date(payment.updated_at_ms),
    }
    if payment.amount is not None:
        state["amount"] = Int64(payment.amount)
    if payment.currency:
        state["currency"] = payment.currency
        state["exponent"] = payment.exponent
    if payment.sender:
        state["sender_account"] = payment.sender
    if payment.receiver:
        state["receiver_account"] = payment.receiver
    if payment.description:
        state["description"] = payment.description
    if payment.aliases:
        state["aliases"] = list(payment.aliases)
    if payment.risk is not None:
        state["risk"] = payment.risk
    return state


def of_payment(payment: Payment) -> dict[str, Any]:
    """Return a whole payment as its document."""
    document = {
        "_id": payment.id,
        "schema": SCHEMA,
        "source": payment.source,
        "tx_id": payment.tx_id,
        **state_of(payment),
        "recorded_at": date(payment.recorded_at_ms),
        "events": [of_event(stored) for stored in payment.events],
    }
    if payment.spilled is not None:
        document["spilled"] = of_tally(payment.spilled)
    if payment.analysis is not None:
        document["analysis"] = of_queued(payment.analysis)
    return document


def of_delivery(
    delivery_key: str, item: Item, delivery: Delivery, disposition: Disposition, *, now_ms: int
) -> dict[str, Any]:
    """Return what arrived as its document; `count` says how often the same bytes came."""
    now = date(now_ms)
    document: dict[str, Any] = {
        "_id": delivery_key,
        "schema": SCHEMA,
        "source": item.source,
        "provider": delivery.provider,
        # Plain bytes are stored as binary of the general kind.
        "body": delivery.body,
        "headers": dict(delivery.headers),
        "key_id": delivery.key_id,
        "delivery_id": item.delivery_id,
        "received_at": date(delivery.received_at_ms),
        "recorded_at": now,
        "last_seen_at": now,
        "traceparent": delivery.traceparent,
        "disposition": DISPOSITIONS[disposition],
        "transactions": list({f"{item.source}:{event.tx_id}": None for event in item.events if event.tx_id}),
        "count": _ONE,
    }
    if delivery.signed_at_ms:
        document["signed_at"] = date(delivery.signed_at_ms)
    if item.detail:
        document["detail"] = item.detail
    if disposition is Disposition.WAITING:
        document["due"] = now
    return document


def is_too_new(document: Mapping[str, Any]) -> bool:
    """Return whether a newer version wrote a document in a form that is not known here."""
    return bool(document.get("schema", SCHEMA) > SCHEMA)


def to_payment(document: Mapping[str, Any]) -> Payment:
    """Return the payment a document holds; absent fields are what `of_payment` left out.

    Raises:
        TooNew: a newer version wrote it, in a form that is not known here.
    """
    if is_too_new(document):
        raise TooNew([document["_id"]])
    return Payment(
        id=document["_id"],
        source=document["source"],
        tx_id=document["tx_id"],
        version=document["version"],
        status=Status[document["status"].upper()],
        totals=Totals(**{name: int(value) for name, value in document["totals"].items()}),
        flags=tuple(Flag[name.upper()] for name in document.get("flags", ())),
        amount=integer(document.get("amount")),
        amount_fixed=document.get("amount_fixed", False),
        currency=document.get("currency", ""),
        exponent=document.get("exponent", 0),
        sender=document.get("sender_account", ""),
        receiver=document.get("receiver_account", ""),
        description=document.get("description", ""),
        aliases=tuple(document.get("aliases", ())),
        risk=document.get("risk"),
        recorded_at_ms=int(document["recorded_at"]),
        updated_at_ms=int(document["updated_at"]),
        events=to_events(document["tx_id"], document.get("events", ())),
        spilled=to_tally(document["spilled"]) if "spilled" in document else None,
        analysis=to_analysis(document["analysis"]) if "analysis" in document else None,
    )
