"""Profiles in MongoDB, one document per account, written only forwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from services.insight.adapters.mongo import DURABLE, store_down
from services.insight.ports import StoreDown
from services.insight.profile import ProfileState

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

_COLLECTION: Final = "profiles"
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
        async with store_down():
            answer = await self._database.command(
                {
                    "find": _COLLECTION,
                    "filter": {"_id": {"$in": list(keys)}},
                    "batchSize": len(keys),
                    "singleBatch": True,
                    "readConcern": {"level": "majority"},
                }
            )
        return {document["_id"]: _state(document) for document in answer["cursor"]["firstBatch"]}

    async def save(self, profiles: Sequence[tuple[str, ProfileState]]) -> None:
        """Write each profile unless the stored one already contains later changes; durable when it returns.

        Raises:
            StoreDown: the outcome is unknown; writing the same again is harmless.
        """
        updates = [
            {
                "q": {"_id": key, "sequence": {"$lt": state.sequence}},
                "u": _document(key, state),
                "upsert": True,
            }
            for key, state in profiles
        ]
        async with store_down():
            answer = await self._database.command(
                {
                    "update": _COLLECTION,
                    "updates": updates,
                    "ordered": False,
                    "writeConcern": DURABLE.document,
                }
            )
        if "writeConcernError" in answer:
            raise StoreDown("the profiles are written but not durable yet")
        # Where the stored profile is ahead, its filter does not match and the upsert meets its key: nothing
        # to do.
        failed = [error for error in answer.get("writeErrors", ()) if error["code"] != _DUPLICATE_KEY]
        if failed:
            raise StoreDown(f"{len(failed)} profiles were refused with code {failed[0]['code']}")


def _document(key: str, state: ProfileState) -> dict[str, Any]:
    return {
        "_id": key,
        "sequence": state.sequence,
        "landmark_s": state.landmark_s,
        "burst": state.burst,
        "burst_at_s": state.burst_at_s,
        "since_s": state.since_s,
        "sums": state.sums,
    }


def _state(document: Mapping[str, Any]) -> ProfileState:
    return ProfileState(
        sequence=document["sequence"],
        landmark_s=document["landmark_s"],
        burst=document["burst"],
        burst_at_s=document["burst_at_s"],
        since_s=document["since_s"],
        sums=tuple(document["sums"]),
    )
