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
from services.ledger.model import Status

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

_EXISTS: Final = 48

_MONEY: Final = {"bsonType": "long"}
_DATE: Final = {"bsonType": "date"}
# Python's integers are int32 while they are small.
_NUMBER: Final = {"bsonType": ["int", "long"], "minimum": 1}

# Each property is looked at again with every write, so only what sums, order and expiry rest on has its type checked:
# the types of every field cost three times as much (docs/mongodb.md).
_TOTALS: Final = ("authorized", "captured", "refunded", "disputed")
_PAYMENT: Final = {
    "bsonType": "object",
    "required": ["schema", "source", "tx_id", "version", "status", "totals", "recorded_at", "updated_at", "events"],
    "properties": {
        "schema": _NUMBER,
        "version": _NUMBER,
        "status": {"enum": [status.name.lower() for status in Status]},
        "totals": {
            "bsonType": "object",
            "required": list(_TOTALS),
            "properties": dict.fromkeys(_TOTALS, _MONEY),
        },
        "amount": _MONEY,
        "recorded_at": _DATE,
        "updated_at": _DATE,
        "events": {"bsonType": "array", "items": {"properties": {"amount": _MONEY}}},
    },
}
_DELIVERY: Final = {
    "bsonType": "object",
    "required": ["schema", "source", "delivery_id", "recorded_at", "disposition", "transactions", "count"],
    # Bytes are missing only where they were erased.
    "anyOf": [{"required": ["body"]}, {"required": ["erased_at"]}],
    "properties": {
        "schema": _NUMBER,
        "body": {"bsonType": "binData"},
        "recorded_at": _DATE,
        "erased_at": _DATE,
        "disposition": {"enum": list(DISPOSITIONS.values())},
        "transactions": {"bsonType": "array"},
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
