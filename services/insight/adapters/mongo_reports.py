"""The port `StoredReports` in MongoDB: a document per period, claimed by the server's clock, expiring by itself."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bson import Binary
from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.insight.adapters.mongo import store_down

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

_COLLECTION: Final = "reports"
_CLAIM_MS: Final = 180_000
_KEPT_DAYS: Final = 400


class MongoReports:
    """The collection `reports`."""

    def __init__(self, database: Database) -> None:
        """Use the collection of `database`."""
        self._collection = database.get_collection(_COLLECTION)
        self._indexed = False

    async def claim(self, name: str) -> bool:
        """Take on a report; False where it is stored, or another one has taken it on less than three minutes ago.

        Raises:
            StoreDown: nobody knows.
        """
        token = uuid.uuid4().hex
        async with store_down():
            if not self._indexed:
                await self._collection.create_index("expires_at", expireAfterSeconds=0)
                self._indexed = True
            try:
                document = await self._collection.find_one_and_update(
                    {"_id": name}, _claimed(token), upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:
                # Two replicas made the document at once, and the other was first.
                return False
        return bool(document["token"] == token)

    async def store(self, name: str, renderings: Mapping[str, bytes]) -> None:
        """Keep a report; of two that were made after all, the first stays.

        Raises:
            StoreDown: whether it is kept is unknown.
        """
        content = {form: Binary(rendered) for form, rendered in renderings.items()}
        change: list[Mapping[str, Any]] = [
            {
                "$set": {
                    "stored_at": "$$NOW",
                    "expires_at": {"$dateAdd": {"startDate": "$$NOW", "unit": "day", "amount": _KEPT_DAYS}},
                    "content": {"$literal": content},
                }
            }
        ]
        async with store_down():
            await self._collection.update_one({"_id": name, "stored_at": {"$exists": False}}, change)

    async def latest(self) -> Mapping[str, bytes] | None:
        """Return what was stored last.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            document = await self._collection.find_one(
                {"stored_at": {"$exists": True}}, {"content": 1}, sort=[("_id", DESCENDING)]
            )
        if document is None:
            return None
        return {form: bytes(rendered) for form, rendered in document["content"].items()}


def _claimed(token: str) -> list[Mapping[str, Any]]:
    """Return the update that takes a report which is neither stored nor being made."""
    free = {
        "$and": [
            {"$eq": [{"$type": "$stored_at"}, "missing"]},
            {"$lte": [{"$ifNull": ["$claimed_until", "$$NOW"]}, "$$NOW"]},
        ]
    }
    return [
        {
            "$set": {
                "token": {"$cond": [free, token, "$token"]},
                "claimed_until": {"$cond": [free, {"$add": ["$$NOW", _CLAIM_MS]}, "$claimed_until"]},
            }
        }
    ]
