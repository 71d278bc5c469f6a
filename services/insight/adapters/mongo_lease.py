"""The learner's lease, position and judgement in MongoDB: one document, timed by the server's clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bson import Int64
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.insight.adapters.mongo import store_down
from services.insight.model import Position
from services.insight.verdicts import NOTHING_JUDGED, Judgement

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

COLLECTION: Final = "insight_state"
LEARNER: Final = "learner"
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MongoLease:
    """The lease in the collection `insight_state`."""

    def __init__(self, database: Database, *, owner: str, lease_s: float) -> None:
        """Hold it as `owner`, which no other process calls itself, for `lease_s` at a time."""
        self._collection = database.get_collection(COLLECTION)
        self._owner = owner
        self._lease_ms = int(lease_s * 1000)

    async def acquire(self) -> Position | None:
        """Take or prolong the lease for its full time; None while another replica holds it.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            try:
                document = await self._collection.find_one_and_update(
                    {"_id": LEARNER}, self._claim(), upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:
                # Two replicas made the document at once, and the other was first.
                return None
        if document["owner"] != self._owner:
            return None
        return Position(
            token=document.get("token", ""),
            sequence=document.get("sequence", 0),
            judgement=_to_judgement(document.get("judgement")),
        )

    async def advance(self, position: Position) -> bool:
        """Store how far the saved profiles go; False, with nothing stored, where the lease is no longer ours.

        Raises:
            StoreDown: the outcome is unknown; storing the same again is harmless.
        """
        change = {
            "$set": {
                "token": position.token,
                "sequence": position.sequence,
                "judgement": _of_judgement(position.judgement),
            },
            "$currentDate": {"stored_at": True},
        }
        async with store_down():
            result = await self._collection.update_one({"_id": LEARNER, "owner": self._owner}, change)
        return result.matched_count == 1

    async def judgement(self) -> Judgement:
        """Return what verdicts have taught as it was saved last, without the evidence: for its weights.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            document = await self._collection.find_one({"_id": LEARNER}, {"judgement.evidence": 0})
        return _to_judgement((document or {}).get("judgement"))

    async def release(self) -> None:
        """Give the lease back at once, if it is ours.

        Raises:
            StoreDown: it will end by itself.
        """
        async with store_down():
            await self._collection.update_one(
                {"_id": LEARNER, "owner": self._owner}, {"$set": {"owner": "", "until": _LONG_AGO}}
            )

    def _claim(self) -> list[dict[str, Any]]:
        """Return the update that takes a lease which is ours or has ended, and leaves another's alone."""
        free = {
            "$or": [
                {"$eq": ["$owner", self._owner]},
                {"$lte": [{"$ifNull": ["$until", _LONG_AGO]}, "$$NOW"]},
            ]
        }
        return [
            {
                "$set": {
                    "owner": {"$cond": [free, self._owner, "$owner"]},
                    "until": {"$cond": [free, {"$add": ["$$NOW", self._lease_ms]}, "$until"]},
                }
            }
        ]


def _of_judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "ordinal": Int64(judgement.ordinal),
        "taught": Int64(judgement.taught),
        "unsolved": judgement.unsolved,
        "features": judgement.features,
        "evidence": judgement.evidence,
        "weights": judgement.weights,
        "steps_from": judgement.steps_from,
    }


def _to_judgement(document: Mapping[str, Any] | None) -> Judgement:
    if document is None:
        return NOTHING_JUDGED
    return Judgement(
        ordinal=int(document["ordinal"]),
        taught=int(document["taught"]),
        unsolved=document["unsolved"],
        features=document["features"],
        evidence=document.get("evidence", b""),
        weights=document["weights"],
        steps_from=document["steps_from"],
    )
