"""Feature vectors in MongoDB: the collection `scores`, a document for some hundred payments in the order of the feed.

One document a payment would cost the server entries in two indexes and in its log for each: twice as much. A payment is
found by an index over the ids in a document. Labels, which nearly no payment ever gets, are a collection of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct, pack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bson import DatetimeMS, Int64
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import OperationFailure

from services.insight.adapters.mongo import DURABLE, store_down
from services.insight.ports import StoreDown
from services.insight.vectors import Seen, unpack

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

COLLECTION: Final = "scores"
_DAY_S: Final = 86_400
_OTHER_OPTIONS: Final = 85
_DUPLICATE_KEY: Final = 11_000
_TIME: Final = Struct("<q")


class Kept(NamedTuple):
    """One payment of a document."""

    sender: str
    receiver: str
    at_ms: int
    vector: bytes


class MongoScores:
    """Fits `Vectors`, and the port of the same name that retracing has."""

    def __init__(self, database: Database, *, days: int) -> None:
        """Keep vectors for so many days."""
        self._database = database
        self._scores = database.get_collection(COLLECTION)
        self._seconds = days * _DAY_S
        self._indexed = False

    async def kept(self) -> int:
        """Return the ordinal of the last payment whose vector is kept.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            newest = await self._scores.find_one({"_id": {"$gt": Int64(0)}}, {"last": 1}, sort=[("_id", DESCENDING)])
        return int(newest["last"]) if newest is not None else 0

    async def insert(self, seen: Sequence[Seen]) -> None:
        """Keep vectors whose ordinals rise; durable when it returns. What is kept already stays as it is.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
        """
        async with store_down():
            if not self._indexed:
                await self._index()
            if await self._insert(seen):
                return
            # Some are there: by a call before, whose answer never came, or by a holder before that had read less far.
            kept = await self.kept()
            rest = [each for each in seen if each[0] > kept]
            if rest and not await self._insert(rest):
                raise StoreDown("somebody else keeps vectors at the same time")

    async def find(self, id_: str) -> Kept | None:
        """Return what is kept of the payment `{source}:{tx_id}`, None where nothing is.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            found = await self._scores.find_one({"payments": id_})
        if found is None:
            return None
        place = found["payments"].index(id_)
        width = len(found["vectors"]) // len(found["payments"])
        vector = found["vectors"][place * width : (place + 1) * width]
        (at_ms,) = _TIME.unpack_from(found["times"], place * _TIME.size)
        return Kept(found["senders"][place], found["receivers"][place], at_ms, vector)

    async def vector(self, source: str, tx_id: str) -> Sequence[float] | None:
        """Return the features that a payment was learnt with, None where none are kept or they are of another version.

        Raises:
            StoreDown: nobody knows.
        """
        kept = await self.find(f"{source}:{tx_id}")
        return unpack(kept.vector) if kept is not None else None

    async def _insert(self, seen: Sequence[Seen]) -> bool:
        """Insert a document; False where there is one that begins with the same payment."""
        command = {"insert": COLLECTION, "documents": [_document(seen)], "writeConcern": DURABLE.document}
        answer: Mapping[str, Any] = await self._database.command(command)
        if "writeConcernError" in answer:
            raise StoreDown("the vectors are written but not durable yet")
        failed = [error["code"] for error in answer.get("writeErrors", ())]
        if failed and failed != [_DUPLICATE_KEY]:
            raise StoreDown(f"the vectors were refused with code {failed[0]}")
        return not failed

    async def _index(self) -> None:
        await self._scores.create_index("payments", name="payments")
        await expire(self._database, COLLECTION, seconds=self._seconds)
        self._indexed = True


async def expire(database: Database, collection: str, *, seconds: int) -> None:
    """Have MongoDB remove documents so long after their `at`, those that are there already, too."""
    try:
        await database.get_collection(collection).create_index(
            [("at", ASCENDING)], name="expiry", expireAfterSeconds=seconds
        )
    except OperationFailure as failure:
        if failure.code != _OTHER_OPTIONS:
            raise
        # There is one with another time: the replica that was started last decides.
        await database.command({"collMod": collection, "index": {"name": "expiry", "expireAfterSeconds": seconds}})


def _document(seen: Sequence[Seen]) -> dict[str, Any]:
    payments = [payment for _, payment, _ in seen]
    times = [payment.at_ms for payment in payments]
    return {
        "_id": Int64(seen[0][0]),
        "last": Int64(seen[-1][0]),
        # That of the latest, so that each is kept for its whole time.
        "at": DatetimeMS(max(times)),
        "payments": [f"{payment[0]}:{payment[1]}" for payment in payments],
        "senders": [payment[2] for payment in payments],
        "receivers": [payment[3] for payment in payments],
        "times": pack(f"<{len(times)}q", *times),
        "vectors": b"".join([vector for _, _, vector in seen]),
    }
