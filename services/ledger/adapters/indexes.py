"""The indexes, one per way of asking; made at start, idempotently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING, IndexModel

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

_SELECTORS: Final = ("source", "sender_account", "receiver_account", "status", "currency", "risk.level")
# Only what a person has to look at is found by disposition; the millions recorded need no entry.
_LOOKED_AT: Final = ("conflict", "unprocessable", "waiting")


def wanted() -> Mapping[str, Sequence[IndexModel]]:
    """Return the indexes of each collection."""
    transactions = [IndexModel([("recorded_at", ASCENDING), ("_id", ASCENDING)], name="recorded_at")]
    transactions += [
        IndexModel([(field, ASCENDING), ("recorded_at", ASCENDING), ("_id", ASCENDING)], name=field.replace(".", "_"))
        for field in _SELECTORS
    ]
    looked_at = IndexModel(
        [("disposition", ASCENDING), ("recorded_at", ASCENDING)],
        name="looked_at",
        partialFilterExpression={"disposition": {"$in": list(_LOOKED_AT)}},
    )
    return {
        "transactions": transactions,
        # Only payments of more events than their document holds have any here.
        "events_overflow": [IndexModel([("payment", ASCENDING)], name="payment")],
        "deliveries": [looked_at],
    }


async def ensure(database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """Make every index that is missing."""
    for collection, models in wanted().items():
        await database[collection].create_indexes(list(models))


async def missing(database: AsyncIOMotorDatabase[dict[str, Any]]) -> bool:
    """Return whether an index is missing."""
    for collection, models in wanted().items():
        there = await database[collection].index_information()
        if any(model.document["name"] not in there for model in models):
            return True
    return False
