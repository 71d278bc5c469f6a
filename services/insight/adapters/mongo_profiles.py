"""Profiles in MongoDB, one document per account, written only forwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from services.insight.adapters.mongo import DURABLE, store_down
from services.insight.memory import EMPTY
from services.insight.ports import StoreDown
from services.insight.profile import ProfileState

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

COLLECTION: Final = "profiles"
_DUPLICATE_KEY: Final = 11_000


class MongoProfiles:
    """Profiles in the collection `profiles`.

    By plain commands: a cursor costs a second hop to a thread and back, and the driver's bulk machinery more than
    the encoding. Its retries aren't needed where reading is tried again anyway and writing twice is harmless.
    """

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._database = database

    async def load(self, keys: Sequence[str]) -> Mapping[str, ProfileState]:
        """Return what is stored under each key, in one query; absent ones are left out.

        Raises:
            StoreDown: it can't be read now.
        """
        found = await self._find({"filter": {"_id": {"$in": list(keys)}}, "batchSize": len(keys)})
        return {document["_id"]: state_of(document) for document in found if _is_known(document)}

    async def page(self, after: str, *, count: int) -> Sequence[tuple[str, ProfileState]]:
        """Return the first so many profiles behind a key, in the order of keys; none where there are no more.

        Raises:
            StoreDown: they can't be read now.
        """
        query = {"_id": {"$gt": after}, "judged": {"$exists": True}}
        found = await self._find({"filter": query, "sort": {"_id": 1}, "limit": count, "batchSize": count})
        return [(document["_id"], state_of(document)) for document in found]

    async def _find(self, query: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        async with store_down():
            answer = await self._database.command(
                {"find": COLLECTION, **query, "singleBatch": True, "readConcern": {"level": "majority"}}
            )
        found: Sequence[Mapping[str, Any]] = answer["cursor"]["firstBatch"]
        return found

    async def save(self, profiles: Sequence[tuple[str, ProfileState]]) -> None:
        """Write each profile unless the stored one already contains later changes; durable when it returns.

        What is not there yet is inserted, the others are replaced where they stand by `_id` alone: a second condition
        in the query would cost the server's planner twice what the replacing does.

        Raises:
            StoreDown: the outcome is unknown; writing the same again is harmless.
        """
        known = [(key, state) for key, state in profiles if state.stored]
        if len(known) < len(profiles):
            known += await self._insert([(key, state) for key, state in profiles if not state.stored])
        if known:
            updates = [_replacement(key, state) for key, state in known]
            self._refused(await self._write({"update": COLLECTION, "updates": updates}))

    async def _insert(self, profiles: Sequence[tuple[str, ProfileState]]) -> Sequence[tuple[str, ProfileState]]:
        """Insert profiles and return those that are there after all."""
        documents = [_document(key, state) for key, state in profiles]
        refused = self._refused(await self._write({"insert": COLLECTION, "documents": documents}))
        return [profiles[place] for place in refused]

    async def _write(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        async with store_down():
            answer: Mapping[str, Any] = await self._database.command(
                {**command, "ordered": False, "writeConcern": DURABLE.document}
            )
        if "writeConcernError" in answer:
            raise StoreDown("the profiles are written but not durable yet")
        return answer

    @staticmethod
    def _refused(answer: Mapping[str, Any]) -> Sequence[int]:
        """Return the places of what met its key there."""
        errors = answer.get("writeErrors", ())
        failed = [error for error in errors if error["code"] != _DUPLICATE_KEY]
        if failed:
            raise StoreDown(f"{len(failed)} profiles were refused with code {failed[0]['code']}")
        return [error["index"] for error in errors]


def _is_known(document: Mapping[str, Any]) -> bool:
    """Return whether a profile is of today's layout; an earlier one is not read, and replaced by what is learnt now."""
    return "judged" in document


def _replacement(key: str, state: ProfileState) -> dict[str, Any]:
    """Return the update that takes the stored profile's place unless that contains what this one doesn't."""
    # Missing is less than any number: a profile that is not there, or of an earlier layout, gives way.
    gives_way = {"$and": [{"$lte": ["$sequence", state.sequence]}, {"$lte": ["$judged", state.judged]}]}
    chosen = {"$cond": [gives_way, {"$literal": _document(key, state)}, "$$ROOT"]}
    return {"q": {"_id": key}, "u": [{"$replaceWith": chosen}], "upsert": True}


def _document(key: str, state: ProfileState) -> dict[str, Any]:
    document: dict[str, Any] = {"_id": key, "sequence": state.sequence, "judged": state.judged}
    # Most accounts only ever send or only ever receive: an empty memory isn't stored.
    if state.sends != EMPTY:
        document["sends"] = state.sends
    if state.receives != EMPTY:
        document["receives"] = state.receives
    return document


def state_of(document: Mapping[str, Any]) -> ProfileState:
    """Return a stored profile."""
    return ProfileState(
        # The driver's own type for 64 bits takes more memory, and is no JSON.
        sequence=int(document["sequence"]),
        judged=int(document["judged"]),
        sends=document.get("sends", EMPTY),
        receives=document.get("receives", EMPTY),
    )
