"""The port `SpendBook` in MongoDB: one small document per day, kept for the books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bson import Int64
from pymongo.errors import DuplicateKeyError

from services.insight.adapters.mongo import store_down

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

_COLLECTION: Final = "insight_state"


class MongoSpending:
    """Documents `spending:{day}` of the collection `insight_state`."""

    def __init__(self, database: Database) -> None:
        """Use the collection of `database`."""
        self._collection = database.get_collection(_COLLECTION)

    async def spent(self, day: str) -> int:
        """Return what was spent on a day.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            document = await self._collection.find_one({"_id": _id(day)})
        return int(document["nano_usd"]) if document else 0

    async def reserve(self, day: str, nano_usd: int, *, most: int) -> bool:
        """Add an amount unless the day's sum would exceed `most`.

        Raises:
            StoreDown: whether it was added is unknown.
        """
        if nano_usd > most:
            return False
        condition = {"_id": _id(day), "nano_usd": {"$lte": Int64(most - nano_usd)}}
        async with store_down():
            # Where the day has a document that doesn't fit, making another one of its name fails; where two
            # replicas begin the day at once, one of them fails so as well, and then fits.
            for _ in range(2):
                try:
                    await self._collection.update_one(condition, {"$inc": {"nano_usd": Int64(nano_usd)}}, upsert=True)
                except DuplicateKeyError:
                    continue
                return True
        return False

    async def settle(self, day: str, nano_usd: int) -> None:
        """Add a difference.

        Raises:
            StoreDown: whether it was added is unknown.
        """
        async with store_down():
            await self._collection.update_one({"_id": _id(day)}, {"$inc": {"nano_usd": Int64(nano_usd)}})


def _id(day: str) -> str:
    return f"spending:{day}"
