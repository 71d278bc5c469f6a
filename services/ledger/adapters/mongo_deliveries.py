"""Deliveries in the collection `deliveries`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from bson import DatetimeMS
from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from services.ledger.adapters.documents import DISPOSITIONS, encode, of_delivery
from services.ledger.adapters.encryption import seal_body
from services.ledger.adapters.event_documents import of_fact
from services.ledger.adapters.inserting import insert_encoded
from services.ledger.model import Delivery, Disposition, Item, NotDurable, Unstorable
from services.ledger.ports import Conflicting, Inserted, Repeat
from services.ledger.sealing import KeyRing

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

COLLECTION = "deliveries"


class MongoDeliveries:
    """The port `Deliveries` on MongoDB."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]], keys: KeyRing | None = None) -> None:
        """Use a collection made by `mongo.durable`; bodies are sealed under `keys` where there are some."""
        self._collection = collection
        self._keys = keys

    def encode(self, key: str, item: Item, delivery: Delivery, disposition: Disposition, *, now_ms: int) -> bytes:
        """Return the delivery as its BSON document."""
        document = of_delivery(key, item, delivery, disposition, now_ms=now_ms)
        if self._keys is not None:
            seal_body(document, self._keys)
        return encode(document)

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        """Insert deliveries that may be new."""
        return await insert_encoded(self._collection, encoded)

    async def read_stored(self, keys: Collection[str]) -> set[str]:
        """Look for keys, at read concern majority from the primary."""
        try:
            found = await self._collection.find({"_id": {"$in": list(keys)}}, {"_id": True}).to_list(len(keys))
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return {document["_id"] for document in found}

    async def repeat(self, repeats: Sequence[Repeat]) -> None:
        """Count repeats and correct dispositions, durably."""
        try:
            await self._collection.bulk_write([_operation(repeat) for repeat in repeats], ordered=False)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error


def _operation(repeat: Repeat) -> UpdateOne:
    said = _said(repeat) if repeat.disposition is not None else {}
    said["last_seen_at"] = DatetimeMS(repeat.seen_at_ms)
    if repeat.over is None and not repeat.seen_by:
        return UpdateOne({"_id": repeat.key}, {"$set": said})
    changes = {name: {"$literal": value} for name, value in said.items()}
    if repeat.over is not None:
        gives_way = {"$in": ["$disposition", [DISPOSITIONS[disposition] for disposition in repeat.over]]}
        conditional = dict.fromkeys(("detail", "conflicts"), "$$REMOVE") | changes
        changes |= {name: {"$cond": [gives_way, value, f"${name}"]} for name, value in conditional.items()}
    if repeat.payments:
        # Also of what waits: of several events some may have found their payment.
        changes["transactions"] = {"$setUnion": ["$transactions", {"$literal": list(repeat.payments)}]}
    return UpdateOne({"_id": repeat.key}, [{"$set": {**changes, **_counted(repeat)}}])


def _counted(repeat: Repeat) -> dict[str, Any]:
    """Return what counts those that are not counted yet: neither the one that brought the bytes first nor the last."""
    new = {"$setDifference": [{"$literal": list(repeat.seen_by)}, ["$delivery_id", "$last_delivery_id"]]}
    return {
        "last_seen_at": DatetimeMS(repeat.seen_at_ms),
        "count": {"$add": ["$count", {"$size": new}]},
        # A retry of the first one leaves the last one's name where it is: its own retry may still be on its way.
        "last_delivery_id": {"$ifNull": [{"$last": new}, "$last_delivery_id"]},
    }


def _said(repeat: Repeat) -> dict[str, Any]:
    """Return what a delivery's document says of what became of it."""
    said: dict[str, Any] = {}
    if repeat.disposition is not None:
        said["disposition"] = DISPOSITIONS[repeat.disposition]
    if repeat.disposition is Disposition.WAITING:
        said["due"] = DatetimeMS(repeat.seen_at_ms)
    if repeat.conflicts:
        said["conflicts"] = [_of_conflict(conflict) for conflict in repeat.conflicts]
    if repeat.detail:
        said["detail"] = repeat.detail
    if repeat.payments:
        said["transactions"] = list(repeat.payments)
    return said


def _of_conflict(conflict: Conflicting) -> dict[str, Any]:
    document: dict[str, Any] = {"place": conflict.place, "field": conflict.field, "tx_id": conflict.event.tx_id}
    try:
        document["event"] = of_fact(conflict.event)
        encode(document)
    except Unstorable:
        # It contradicts and can't be stored either: the delivery's bytes have it, and it can't be accepted.
        del document["event"]
    return document
