"""The indexes, one per way of asking; made at start, idempotently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING, IndexModel

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

_SELECTORS: Final = ("source", "sender_account", "receiver_account", "status", "currency", "risk.level")
# Only what a person has to look at is found by disposition; the millions recorded need no entry.
_LOOKED_AT: Final = ("conflict", "unprocessable", "waiting")


async def ensure(database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """Make every index that is missing."""
    transactions = [IndexModel([("recorded_at", ASCENDING), ("_id", ASCENDING)], name="recorded_at")]
    transactions += [
        IndexModel([(field, ASCENDING), ("recorded_at", ASCENDING), ("_id", ASCENDING)], name=field.replace(".", "_"))
        for field in _SELECTORS
    ]
    await database["transactions"].create_indexes(transactions)
    looked_at = IndexModel(
        [("disposition", ASCENDING), ("recorded_at", ASCENDING)],
        name="looked_at",
        partialFilterExpression={"disposition": {"$in": list(_LOOKED_AT)}},
    )
    # Only payments of more events than their document holds have any here.
    await database["events_overflow"].create_indexes([IndexModel([("payment", ASCENDING)], name="payment")])
    await database["deliveries"].create_indexes([looked_at])
