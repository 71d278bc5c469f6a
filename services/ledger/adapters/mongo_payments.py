"""Payments in the collection `transactions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from services.ledger.adapters.documents import encode, of_event, of_payment, state_of, to_payment
from services.ledger.adapters.inserting import insert_encoded
from services.ledger.model import NotDurable, Payment
from services.ledger.ports import Change, Inserted

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

COLLECTION = "transactions"


class MongoPayments:
    """The port `Payments` on MongoDB."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        """Use a collection made by `mongo.durable`."""
        self._collection = collection

    def encode(self, payment: Payment) -> bytes:
        """Return the payment as its BSON document."""
        return encode(of_payment(payment))

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        """Insert payments that may be new."""
        return await insert_encoded(self._collection, encoded)

    async def read_durable(self, ids: Sequence[str]) -> Mapping[str, Payment]:
        """Read payments at read concern majority from the primary."""
        try:
            documents = await self._collection.find({"_id": {"$in": list(ids)}}).to_list(len(ids))
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return {document["_id"]: to_payment(document) for document in documents}

    async def update(self, changes: Sequence[Change]) -> int:
        """Write each change under its version; return how many matched."""
        operations = [_operation(change) for change in changes]
        try:
            result = await self._collection.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            # A write error of one change leaves the others' fate open just as a write concern error does.
            raise NotDurable("bulk write failed") from error
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return result.matched_count


def _operation(change: Change) -> UpdateOne:
    before, after = change.before, change.after
    added = after.events[len(before.events) :]
    return UpdateOne(
        {"_id": before.id, "version": before.version},
        {"$set": state_of(after), "$push": {"events": {"$each": [of_event(stored) for stored in added]}}},
    )
