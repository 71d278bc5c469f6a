"""Feature vectors and labels in MongoDB: the collection `scores`, one document per payment, which expires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bson import DatetimeMS, Int64
from pymongo import ASCENDING
from pymongo.errors import OperationFailure

from mesh.errors import Fault, Kind
from services.insight.adapters.mongo import DURABLE, store_down
from services.insight.adapters.verdict_documents import COLLECTION, TIMES_AS_NUMBERS, id_of
from services.insight.labels import DISPUTE, Dispute, Label, Stated
from services.insight.ports import StoreDown
from services.insight.vectors import Seen, unpack

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

_DAY_S: Final = 86_400
_DUPLICATE_KEY: Final = 11_000
_OTHER_OPTIONS: Final = 85
_LABEL_SOURCES_MAX: Final = 16


class MongoScores:
    """Fits `Vectors`, `Labels`, and the port of the same name that retracing has."""

    def __init__(self, database: Database, *, days: int) -> None:
        """Keep vectors for so many days."""
        self._database = database
        self._scores = database.get_collection(COLLECTION, codec_options=TIMES_AS_NUMBERS)
        self._seconds = days * _DAY_S
        self._indexed = False

    async def insert(self, seen: Sequence[Seen]) -> None:
        """Keep what there is not yet; durable when it returns. What is there stays as it is.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
        """
        async with store_down():
            if not self._indexed:
                await self._index()
            answer: Mapping[str, Any] = await self._database.command(
                {
                    "insert": COLLECTION,
                    "documents": [_document(each) for each in seen],
                    "ordered": False,
                    "writeConcern": DURABLE.document,
                }
            )
        failed = [error["code"] for error in answer.get("writeErrors", ()) if error["code"] != _DUPLICATE_KEY]
        if failed or "writeConcernError" in answer:
            raise StoreDown(f"vectors are not durable: {failed[:1] or 'the majority is late'}")

    async def vector(self, source: str, tx_id: str) -> Sequence[float] | None:
        """Return the features that a payment was learnt with, None where none are kept or they are of another version.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            found = await self._scores.find_one({"_id": id_of(source, tx_id)}, {"vector": 1})
        return unpack(bytes(found["vector"])) if found is not None else None

    async def state(self, source: str, tx_id: str, label_source: str, *, label: Label, author: str) -> bool | None:
        """Set one source's label; False where it was there already, None where there is no such payment.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
            Fault: TOO_LARGE, the payment has labels of as many sources as it may.
        """
        id_, place, word = id_of(source, tx_id), f"labels.{label_source}", _word(label)
        size = {"$size": {"$objectToArray": {"$ifNull": ["$labels", {}]}}}
        room = [{place: {"$exists": True}}, {"$expr": {"$lt": [size, _LABEL_SOURCES_MAX]}}]
        async with store_down():
            changed = await self._scores.update_one(
                {"_id": id_, f"{place}.label": {"$ne": word}, "$or": room},
                {
                    "$set": {f"{place}.label": word, f"{place}.author": author},
                    "$currentDate": {"due": True, f"{place}.at": True},
                },
            )
            if changed.matched_count:
                return True
            found = await self._scores.find_one({"_id": id_}, {"labels": 1})
        if found is None:
            return None
        if found.get("labels", {}).get(label_source, {}).get("label") != word:
            raise Fault(
                kind=Kind.INVALID,
                reason="TOO_LARGE",
                message=f"label_source: the payment has labels of {_LABEL_SOURCES_MAX} sources, the most there may be.",
                metadata={"limit": str(_LABEL_SOURCES_MAX)},
            )
        return False

    async def labels(self, source: str, tx_id: str) -> Mapping[str, Stated] | None:
        """Return a payment's labels by their source, None where there is no such payment.

        Raises:
            StoreDown: nobody knows.
        """
        async with store_down():
            found = await self._scores.find_one({"_id": id_of(source, tx_id)}, {"labels": 1})
        if found is None:
            return None
        return {
            name: Stated(label=Label[each["label"].upper()], author=each.get("author", ""), at_ms=int(each["at"]))
            for name, each in found.get("labels", {}).items()
        }

    async def dispute(self, dispute: Dispute) -> bool:
        """Set what a dispute says, unless a later change has been heard; False where nothing was set.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
        """
        place = f"labels.{DISPUTE}{dispute.source}"
        wanted: dict[str, Any] = {
            "_id": id_of(dispute.source, dispute.tx_id),
            f"{place}.version": {"$not": {"$gte": dispute.version}},
        }
        if dispute.label is Label.UNSURE:
            # There may be nothing to take back.
            wanted[place] = {"$exists": True}
        async with store_down():
            changed = await self._scores.update_one(
                wanted,
                {
                    "$set": {f"{place}.label": _word(dispute.label), f"{place}.version": Int64(dispute.version)},
                    "$currentDate": {"due": True, f"{place}.at": True},
                },
            )
        return changed.matched_count == 1

    async def _index(self) -> None:
        try:
            await self._scores.create_index("at", name="expiry", expireAfterSeconds=self._seconds)
        except OperationFailure as failure:
            if failure.code != _OTHER_OPTIONS:
                raise
            # Another setting holds for everything that is stored already; the replica that was started last decides.
            index = {"name": "expiry", "expireAfterSeconds": self._seconds}
            await self._database.command({"collMod": COLLECTION, "index": index})
        # Nearly no payment is ever labelled: both stay small, and cost nothing when a vector is stored.
        waits = {"due": {"$exists": True}}
        order = [("due", ASCENDING), ("_id", ASCENDING)]
        await self._scores.create_index(order, name="due", partialFilterExpression=waits)
        await self._scores.create_index("verdict.ordinal", name="verdicts", sparse=True)
        self._indexed = True


def _word(label: Label) -> str:
    return label.name.lower()


def _document(seen: Seen) -> dict[str, Any]:
    source, tx_id, sender, receiver, _, _, at_ms = seen.payment
    document: dict[str, Any] = {"_id": f"{source}:{tx_id}", "at": DatetimeMS(at_ms)}
    if sender:
        document["sender"] = sender
    if receiver:
        document["receiver"] = receiver
    document["vector"] = seen.vector
    return document
