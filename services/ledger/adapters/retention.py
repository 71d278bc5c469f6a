"""How long deliveries are kept: an index by which MongoDB removes what is settled and old enough.

Only what ended well has an entry in it: what somebody has to look at, or what waits, never expires, and what is put
into quarantine later leaves the index by that very write. The age counts from `recorded_at`, so another setting holds
for everything that is stored already; the replica that was started last decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING

from services.ledger.adapters.documents import DISPOSITIONS
from services.ledger.adapters.mongo_deliveries import COLLECTION
from services.ledger.model import Disposition

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

INDEX: Final = "expiry"
_DAY_S: Final = 86_400
_SETTLED: Final = (Disposition.RECORDED, Disposition.DUPLICATE, Disposition.IGNORED, Disposition.DISMISSED)


class Retention:
    """Keeps settled deliveries for a number of days, 0 for ever."""

    def __init__(self, *, days: int) -> None:
        """Keep them so long."""
        self._seconds = days * _DAY_S or None

    async def differs(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> bool:
        """Return whether MongoDB keeps them for another time now."""
        return await _seconds_now(database) != self._seconds

    async def apply(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        """Have MongoDB keep them for that time."""
        deliveries = database[COLLECTION]
        now = await _seconds_now(database)
        if now == self._seconds:
            return
        if self._seconds is None:
            await deliveries.drop_index(INDEX)
        elif now is None:
            await deliveries.create_index(
                [("recorded_at", ASCENDING)],
                name=INDEX,
                expireAfterSeconds=self._seconds,
                partialFilterExpression={"disposition": {"$in": [DISPOSITIONS[settled] for settled in _SETTLED]}},
            )
        else:
            change = {"name": INDEX, "expireAfterSeconds": self._seconds}
            await database.command({"collMod": COLLECTION, "index": change})


async def _seconds_now(database: AsyncIOMotorDatabase[dict[str, Any]]) -> int | None:
    index = (await database[COLLECTION].index_information()).get(INDEX)
    return int(index["expireAfterSeconds"]) if index is not None else None
