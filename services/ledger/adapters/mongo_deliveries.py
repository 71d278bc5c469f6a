"""Deliveries in the collection `deliveries`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bson import DatetimeMS, Int64
from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from services.ledger.adapters.documents import DISPOSITIONS, encode, of_delivery
from services.ledger.adapters.inserting import insert_encoded
from services.ledger.model import Delivery, Disposition, Item, NotDurable
from services.ledger.ports import Inserted, Repeat

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

COLLECTION = "deliveries"


class MongoDeliveries:
    """The port `Deliveries` on MongoDB."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        """Use a collection made by `mongo.durable`."""
        self._collection = collection

    def encode(self, key: str, item: Item, delivery: Delivery, disposition: Disposition, *, now_ms: int) -> bytes:
        """Return the delivery as its BSON document."""
        return encode(of_delivery(key, item, delivery, disposition, now_ms=now_ms))

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        """Insert deliveries that may be new."""
        return await insert_encoded(self._collection, encoded)

    async def repeat(self, repeats: Sequence[Repeat]) -> None:
        """Count repeats and correct dispositions, durably."""
        try:
            await self._collection.bulk_write([_operation(repeat) for repeat in repeats], ordered=False)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error


def _operation(repeat: Repeat) -> UpdateOne:
    changes: dict[str, Any] = {"last_seen_at": DatetimeMS(repeat.seen_at_ms)}
    if repeat.disposition is not None:
        changes["disposition"] = DISPOSITIONS[repeat.disposition]
    update: dict[str, Any] = {"$set": changes}
    if repeat.seen:
        update["$inc"] = {"count": Int64(repeat.seen)}
    return UpdateOne({"_id": repeat.key}, update)
