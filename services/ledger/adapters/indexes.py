"""The indexes, one per way of asking; made at start, idempotently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING, IndexModel

from services.ledger.adapters.documents import DISPOSITIONS
from services.ledger.dispositions import LISTED
from services.ledger.model import Disposition

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

_SELECTORS: Final = ("source", "sender_account", "receiver_account", "status", "currency", "risk.level")
# Only what a person may look at is found by disposition; the millions recorded need no entry.
_LOOKED_AT: Final = [DISPOSITIONS[disposition] for disposition in sorted(LISTED)]


def wanted() -> Mapping[str, Sequence[IndexModel]]:
    """Return the indexes of each collection."""
    transactions = [IndexModel([("recorded_at", ASCENDING), ("_id", ASCENDING)], name="recorded_at")]
    transactions += [
        IndexModel([(field, ASCENDING), ("recorded_at", ASCENDING), ("_id", ASCENDING)], name=field.replace(".", "_"))
        for field in _SELECTORS
    ]
    # What was never queued, which may be everything, has no entry in either.
    transactions += [
        # What has no other id than its own, which may be everything, has no entry.
        IndexModel(
            [("source", ASCENDING), ("aliases", ASCENDING)],
            name="aliases",
            partialFilterExpression={"aliases": {"$exists": True}},
        ),
        IndexModel(
            [("analysis.due", ASCENDING)],
            name="analysis_due",
            partialFilterExpression={"analysis.due": {"$exists": True}},
        ),
        IndexModel(
            [("analysis.state", ASCENDING), ("recorded_at", ASCENDING), ("_id", ASCENDING)],
            name="analysis_state",
            partialFilterExpression={"analysis.state": {"$exists": True}},
        ),
    ]
    deliveries = [
        # Everything that came for a payment, repeats with other bytes included: what is erased with it.
        IndexModel([("transactions", ASCENDING)], name="payments"),
        IndexModel(
            [("disposition", ASCENDING), ("recorded_at", ASCENDING), ("_id", ASCENDING)],
            name="quarantine",
            partialFilterExpression={"disposition": {"$in": _LOOKED_AT}},
        ),
        IndexModel(
            [("due", ASCENDING)],
            name="redrive",
            partialFilterExpression={"disposition": DISPOSITIONS[Disposition.WAITING]},
        ),
    ]
    return {
        "transactions": transactions,
        # Only payments of more events than their document holds have any here.
        "events_overflow": [IndexModel([("payment", ASCENDING)], name="payment")],
        "deliveries": deliveries,
        "audit": [IndexModel([("subjects", ASCENDING), ("at", ASCENDING)], name="subjects")],
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
