"""The port `RawBytes` on the collection `deliveries`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bson import Binary, DatetimeMS
from pymongo import ASCENDING, UpdateOne
from pymongo.errors import PyMongoError

from services.ledger.adapters.documents import DISPOSITIONS
from services.ledger.adapters.encryption import SEALING, put_sealed, sealed_of
from services.ledger.custody import Erased, Resealed, Unkeyed
from services.ledger.model import Disposition, NotDurable
from services.ledger.sealing import KeyRing, Unopenable

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

_WAITING: Final = DISPOSITIONS[Disposition.WAITING]
_HELD_MAX: Final = 100
# Everything that came from outside as it came; what the ledger made of it stays.
_RAW: Final = ("body", SEALING, "headers", "traceparent")
# Ciphertext stays where it is: only what is not sealed yet travels.
_PLAIN_BODY: Final = {"$cond": [{"$eq": [{"$type": f"${SEALING}"}, "missing"]}, "$body", "$$REMOVE"]}


class MongoCustody:
    """Erases and reseals stored bytes."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]], keys: KeyRing | None) -> None:
        """Use a collection made by `mongo.durable`, and seal under the first of `keys`."""
        self._collection = collection
        self._keys = keys

    async def erase(self, payment_ids: Sequence[str], *, at_ms: int) -> Erased:
        """Remove bytes and headers of what led to these payments."""
        if not payment_ids:
            return Erased(count=0, held=())
        whole = {"transactions": {"$in": list(payment_ids)}, "erased_at": {"$exists": False}}
        change = {"$set": {"erased_at": DatetimeMS(at_ms)}, "$unset": dict.fromkeys(_RAW, "")}
        try:
            result = await self._collection.update_many({**whole, "disposition": {"$ne": _WAITING}}, change)
            waiting = self._collection.find({**whole, "disposition": _WAITING}, {"_id": 1}, limit=_HELD_MAX)
            held = await waiting.to_list(_HELD_MAX)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return Erased(count=result.modified_count, held=tuple([document["_id"] for document in held]))

    async def reseal(self, *, after_id: str, count_max: int) -> Resealed:
        """Have the next deliveries under the first key."""
        if self._keys is None:
            raise Unkeyed
        cursor = self._collection.find(
            {"_id": {"$gt": after_id}},
            {SEALING: 1, "body": _PLAIN_BODY},
            sort=[("_id", ASCENDING)],
            limit=count_max,
            batch_size=count_max + 1,
        )
        try:
            documents = await cursor.to_list(count_max)
            operations, unopenable = _operations(documents, self._keys)
            if operations:
                await self._collection.bulk_write(operations, ordered=False)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return Resealed(
            examined=len(documents),
            resealed=len(operations),
            unopenable=unopenable,
            key_id=self._keys.first,
            last_id=documents[-1]["_id"] if len(documents) == count_max else "",
        )


def _operations(documents: Sequence[Mapping[str, Any]], keys: KeyRing) -> tuple[list[UpdateOne], int]:
    """Return the writes, each only where nobody was faster, and how many bodies can't be opened."""
    operations: list[UpdateOne] = []
    unopenable = 0
    for document in documents:
        sealed = sealed_of(document)
        if sealed is None:
            if "body" in document:
                operations.append(_sealing(document, keys))
            continue
        if sealed.key_id == keys.first:
            continue
        try:
            fresh = keys.rewrap(sealed)
        except Unopenable:
            unopenable += 1
            continue
        as_read = {"_id": document["_id"], f"{SEALING}.wrapped_key": Binary(sealed.wrapped_key)}
        changes = {f"{SEALING}.key_id": fresh.key_id, f"{SEALING}.wrapped_key": Binary(fresh.wrapped_key)}
        operations.append(UpdateOne(as_read, {"$set": changes}))
    return operations, unopenable


def _sealing(document: Mapping[str, Any], keys: KeyRing) -> UpdateOne:
    """Return the write that puts a sealed body in the place of a plain one."""
    sealed = keys.seal(bytes(document["body"]), name=document["_id"])
    changes: dict[str, Any] = {}
    put_sealed(changes, sealed)
    return UpdateOne(
        {"_id": document["_id"], SEALING: {"$exists": False}, "body": {"$exists": True}}, {"$set": changes}
    )
