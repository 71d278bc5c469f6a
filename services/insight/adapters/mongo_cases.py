"""The port `Cases` in MongoDB: verdicts beside the labels they follow from, written under the learner's lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bson import DatetimeMS, Int64
from pymongo import ASCENDING, UpdateOne
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from services.insight.adapters import mongo_lease
from services.insight.adapters.mongo import DURABLE, store_down
from services.insight.adapters.verdict_documents import COLLECTION, TIMES_AS_NUMBERS, case_of, id_of, of_verdict
from services.insight.ports import StoreDown
from services.insight.verdicts import Case

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorClientSession

    from services.insight.adapters.mongo import Database


class MongoCases:
    """The collection `labels`."""

    def __init__(self, database: Database, *, owner: str) -> None:
        """Decide while the learner's lease is held as `owner`."""
        self._client = database.client
        self._labels = database.get_collection(COLLECTION, codec_options=TIMES_AS_NUMBERS)
        self._state = database.get_collection(mongo_lease.COLLECTION)
        self._owner = owner

    async def due(self, *, covered: int, most: int) -> Sequence[Case]:
        """Return those whose labels changed first; of those with a verdict the ones where `covered` has reached it.

        Raises:
            StoreDown: nobody knows.
        """
        decidable = [{"verdict.ordinal": {"$exists": False}}, {"verdict.ordinal": {"$lte": Int64(covered)}}]
        async with store_down():
            found = self._labels.find({"due": {"$exists": True}, "$or": decidable})
            documents = await found.sort([("due", ASCENDING), ("_id", ASCENDING)]).limit(most).to_list(most)
        return [case_of(document) for document in documents]

    async def decided(self, after: int) -> tuple[int, Sequence[Case]]:
        """Return the ordinal of the last verdict there is, and the cases of those above `after`, in order.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            learner = await self._state.find_one({"_id": mongo_lease.LEARNER}, {"decided": 1})
            found = self._labels.find({"verdict.ordinal": {"$gt": Int64(after)}})
            documents = await found.sort([("verdict.ordinal", ASCENDING)]).to_list(None)
        return int((learner or {}).get("decided", 0)), [case_of(document) for document in documents]

    async def decide(self, cases: Sequence[Case], *, last: int) -> bool:
        """Write the cases' verdicts and that they wait no longer, all or nothing.

        Raises:
            StoreDown: the outcome is unknown; `decided` tells.
        """
        async with await self._client.start_session() as session:
            try:
                async with session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=DURABLE):
                    written = await self._write(session, cases, last)
                    if not written:
                        await session.abort_transaction()
            except PyMongoError as error:
                # Another write came between: a label, or one of the lease's.
                if isinstance(error, OperationFailure) and error.has_error_label("TransientTransactionError"):
                    return False
                raise StoreDown(f"{type(error).__name__}: {str(error)[:200]}") from error
        return written

    async def _write(self, session: AsyncIOMotorClientSession, cases: Sequence[Case], last: int) -> bool:
        ordinals = [case.verdict.ordinal for case in cases if case.verdict is not None]
        # Whoever takes the lease over writes this document, too: it meets us, or we meet it.
        counted = await self._state.update_one(
            {"_id": mongo_lease.LEARNER, "owner": self._owner, "decided": Int64(last) if last else {"$in": [None, 0]}},
            {"$set": {"decided": Int64(max(last, *ordinals) if ordinals else last)}},
            session=session,
        )
        if not counted.matched_count:
            return False
        changes = [_change(case, last) for case in cases]
        return not changes or (await self._labels.bulk_write(changes, session=session)).matched_count == len(changes)


def _change(case: Case, last: int) -> UpdateOne:
    change: dict[str, Any] = {"$unset": {"due": ""}}
    if case.verdict is not None and case.verdict.ordinal > last:
        change["$set"] = {"verdict": of_verdict(case.verdict)}
    return UpdateOne({"_id": id_of(case.source, case.tx_id), "due": DatetimeMS(case.due_ms)}, change)
