"""The port `SavedModel` over what the learner saves: its position, and the profiles in the order of their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from services.insight.adapters import mongo_lease, mongo_profiles
from services.insight.adapters.mongo import store_down
from services.insight.profile import ProfileState

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

_MS_MAX: Final = 5_000


class MongoModel:
    """Reads `insight_state` and `profiles`, and writes nothing."""

    def __init__(self, database: Database) -> None:
        """Read them in `database`."""
        self._states = database.get_collection(mongo_lease.COLLECTION)
        self._profiles = database.get_collection(mongo_profiles.COLLECTION)

    async def reached(self) -> int:
        """Return the ordinal of the last payment that the saved profiles are sure to cover.

        Raises:
            StoreDown: it can't be read now.
        """
        async with store_down():
            document = await self._states.find_one({"_id": mongo_lease.LEARNER}, max_time_ms=_MS_MAX)
        return int(document.get("sequence", 0)) if document else 0

    async def page(self, after: str, *, most: int) -> Sequence[tuple[str, ProfileState]]:
        """Return the next profiles by key.

        Raises:
            StoreDown: they can't be read now.
        """
        async with store_down():
            found = self._profiles.find({"_id": {"$gt": after}, "judged": {"$exists": True}}, max_time_ms=_MS_MAX)
            documents = await found.sort("_id", 1).limit(most).to_list(most)
        return [(document["_id"], mongo_profiles.state_of(document)) for document in documents]
