"""The audit in the collection `audit`, to which the ledger only ever adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bson import DatetimeMS
from pymongo.errors import PyMongoError

from services.ledger.adapters.documents import SCHEMA
from services.ledger.auditing import Entry
from services.ledger.model import NotDurable

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

COLLECTION: Final = "audit"


class MongoAudit:
    """The port `AuditTrail` on MongoDB."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        """Use a collection made by `mongo.durable`."""
        self._collection = collection

    async def append(self, entry: Entry) -> None:
        """Insert an entry."""
        document = {
            "schema": SCHEMA,
            "at": DatetimeMS(entry.at_ms),
            "caller": entry.caller,
            "action": entry.action.value,
            "subjects": list(entry.subjects),
            "details": dict(entry.details),
        }
        try:
            await self._collection.insert_one(document)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
