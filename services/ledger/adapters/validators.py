"""What MongoDB itself refuses to store: money that is no int64, a payment or delivery without what makes it one.

Expand, then contract. A field is required here only once every replica that may still write does write it, and fields
nobody knows yet are allowed; so the validator can be put in place before the first replica that writes something new
starts, and stay while the last one that doesn't is stopped. A stricter one, or one with a new word in a list, is a new
migration step. Level `moderate`: a document from before that doesn't conform can still be changed, because a money
event is never refused for what an old version wrote; every new document, and every change of a good one, is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import OperationFailure

from services.ledger.adapters.documents import DISPOSITIONS
from services.ledger.model import Flag, Status

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

_EXISTS: Final = 48

_TEXT: Final = {"bsonType": "string"}
_MONEY: Final = {"bsonType": "long"}
_DATE: Final = {"bsonType": "date"}
_BYTES: Final = {"bsonType": "binData"}
_FLAG: Final = {"bsonType": "bool"}
# Python's integers are int32 while they are small.
_NUMBER: Final = {"bsonType": ["int", "long"], "minimum": 1}
_NAMED: Final = {"_id": _TEXT, "schema": _NUMBER, "source": _TEXT}

_TOTALS: Final = ("authorized", "captured", "refunded", "disputed")
_EVENT: Final = {
    "bsonType": "object",
    "required": ["event_id", "kind", "content", "outcome", "delivery_id", "recorded_at"],
    "properties": {
        "event_id": _TEXT,
        "kind": _TEXT,
        "amount": _MONEY,
        "currency": _TEXT,
        "content": _BYTES,
        "recorded_at": _DATE,
    },
}
_PAYMENT: Final = {
    "bsonType": "object",
    "required": ["schema", "source", "tx_id", "version", "status", "totals", "recorded_at", "updated_at", "events"],
    "properties": {
        **_NAMED,
        "tx_id": _TEXT,
        "version": _NUMBER,
        "status": {"enum": [status.name.lower() for status in Status]},
        "totals": {
            "bsonType": "object",
            "required": list(_TOTALS),
            "properties": dict.fromkeys(_TOTALS, _MONEY),
        },
        "flags": {"bsonType": "array", "items": {"enum": [flag.name.lower() for flag in Flag]}},
        "amount": _MONEY,
        "amount_fixed": _FLAG,
        "currency": _TEXT,
        "sender_account": _TEXT,
        "receiver_account": _TEXT,
        "recorded_at": _DATE,
        "updated_at": _DATE,
        "events": {"bsonType": "array", "items": _EVENT},
    },
}
_DELIVERY: Final = {
    "bsonType": "object",
    "required": ["schema", "source", "delivery_id", "recorded_at", "disposition", "transactions", "count"],
    # Bytes are missing only where they were erased.
    "anyOf": [{"required": ["body"]}, {"required": ["erased_at"]}],
    "properties": {
        **_NAMED,
        "body": _BYTES,
        "sealing": {
            "bsonType": "object",
            "required": ["key_id", "nonce", "wrapped_key"],
            "properties": {"key_id": _TEXT, "nonce": _BYTES, "wrapped_key": _BYTES},
        },
        "headers": {"bsonType": "object"},
        "delivery_id": _TEXT,
        "received_at": _DATE,
        "recorded_at": _DATE,
        "erased_at": _DATE,
        "disposition": {"enum": list(DISPOSITIONS.values())},
        "transactions": {"bsonType": "array", "items": _TEXT},
        "count": _MONEY,
    },
}
VALIDATORS: Final[Mapping[str, Mapping[str, Any]]] = {
    "transactions": {"$jsonSchema": _PAYMENT},
    "deliveries": {"$jsonSchema": _DELIVERY},
}


async def put_in_place(database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """Have the server check what is written from now on; doing so again changes nothing."""
    for name, validator in VALIDATORS.items():
        await make_collection(database, name)
        await database.command(
            {"collMod": name, "validator": validator, "validationLevel": "moderate", "validationAction": "error"}
        )


async def make_collection(database: AsyncIOMotorDatabase[dict[str, Any]], name: str) -> None:
    """Make a collection where there is none, whoever else does so at the same time."""
    try:
        await database.command({"create": name})
    except OperationFailure as error:
        if error.code != _EXISTS:
            raise
