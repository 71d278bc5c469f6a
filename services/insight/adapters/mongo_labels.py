"""The port `Labels` in MongoDB: the collection `labels`, a document for each payment that ever got one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from bson import DatetimeMS, Int64
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from mesh.errors import Fault, Kind
from services.insight.adapters.mongo import store_down
from services.insight.adapters.mongo_scores import MongoScores, expire
from services.insight.adapters.verdict_documents import COLLECTION, TIMES_AS_NUMBERS, id_of
from services.insight.labels import DISPUTE, Dispute, Label, Stated

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

_DAY_S: Final = 86_400
_SOURCES_MAX: Final = 16


class MongoLabels:
    """Labels of the payments whose vectors are in `scores`; what was known of a payment comes along with its first."""

    def __init__(self, database: Database, scores: MongoScores, *, days: int) -> None:
        """Keep them as long as vectors, for so many days."""
        self._database = database
        self._labels = database.get_collection(COLLECTION, codec_options=TIMES_AS_NUMBERS)
        self._scores = scores
        self._seconds = days * _DAY_S
        self._indexed = False

    async def state(self, source: str, tx_id: str, label_source: str, *, label: Label, author: str) -> bool | None:
        """Set one source's label; False where it was there already, None where there is no such payment.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
            Fault: TOO_LARGE, the payment has labels of as many sources as it may.
        """
        id_, place, word = id_of(source, tx_id), f"labels.{label_source}", _word(label)
        size = {"$size": {"$objectToArray": {"$ifNull": ["$labels", {}]}}}
        room = [{place: {"$exists": True}}, {"$expr": {"$lt": [size, _SOURCES_MAX]}}]
        wanted = {"_id": id_, f"{place}.label": {"$ne": word}, "$or": room}
        fields = {f"{place}.label": word, f"{place}.author": author}
        if await self._set(wanted, place, fields):
            return True
        found = await self._find(id_)
        if found is None:
            if not await self._come_along(id_):
                return None
            if await self._set(wanted, place, fields):
                return True
            found = await self._find(id_) or {}
        if found.get("labels", {}).get(label_source, {}).get("label") != word:
            raise Fault(
                kind=Kind.INVALID,
                reason="TOO_LARGE",
                message=f"label_source: the payment has labels of {_SOURCES_MAX} sources, the most there may be.",
                metadata={"limit": str(_SOURCES_MAX)},
            )
        return False

    async def labels(self, source: str, tx_id: str) -> Mapping[str, Stated] | None:
        """Return a payment's labels by their source, None where there is no such payment.

        Raises:
            StoreDown: nobody knows.
        """
        id_ = id_of(source, tx_id)
        found = await self._find(id_)
        if found is None:
            return {} if await self._scores.find(id_) is not None else None
        return {
            name: Stated(label=Label[each["label"].upper()], author=each.get("author", ""), at_ms=int(each["at"]))
            for name, each in found.get("labels", {}).items()
        }

    async def dispute(self, dispute: Dispute) -> bool:
        """Set what a dispute says, unless a later change has been heard; False where nothing was set.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
        """
        id_, place = id_of(dispute.source, dispute.tx_id), f"labels.{DISPUTE}{dispute.source}"
        wanted: dict[str, Any] = {"_id": id_, f"{place}.version": {"$not": {"$gte": dispute.version}}}
        fields = {f"{place}.label": _word(dispute.label), f"{place}.version": Int64(dispute.version)}
        if dispute.label is Label.UNSURE:
            # There may be nothing to take back.
            return await self._set({**wanted, place: {"$exists": True}}, place, fields)
        return await self._set(wanted, place, fields) or (
            await self._come_along(id_) and await self._set(wanted, place, fields)
        )

    async def _set(self, wanted: Mapping[str, Any], place: str, fields: Mapping[str, Any]) -> bool:
        """Set a label and that it is due now; False where no document is as wanted."""
        change = {"$set": fields, "$currentDate": {"due": True, f"{place}.at": True}}
        async with store_down():
            return (await self._labels.update_one(wanted, change)).matched_count == 1

    async def _find(self, id_: str) -> Mapping[str, Any] | None:
        async with store_down():
            return await self._labels.find_one({"_id": id_}, {"labels": 1})

    async def _come_along(self, id_: str) -> bool:
        """Make a payment's document, where there is none, out of what is kept of it; False where nothing is."""
        kept = await self._scores.find(id_)
        if kept is None:
            return False
        async with store_down():
            if not self._indexed:
                await self._index()
            # Another one may have been first.
            with suppress(DuplicateKeyError):
                await self._labels.insert_one(
                    {
                        "_id": id_,
                        "at": DatetimeMS(kept.at_ms),
                        "sender": kept.sender,
                        "receiver": kept.receiver,
                        "vector": kept.vector,
                    }
                )
        return True

    async def _index(self) -> None:
        order = [("due", ASCENDING), ("_id", ASCENDING)]
        await self._labels.create_index(order, name="due", partialFilterExpression={"due": {"$exists": True}})
        await self._labels.create_index("verdict.ordinal", name="verdicts", sparse=True)
        await expire(self._database, COLLECTION, seconds=self._seconds)
        self._indexed = True


def _word(label: Label) -> str:
    return label.name.lower()
