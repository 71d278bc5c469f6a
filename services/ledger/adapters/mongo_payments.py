"""Payments in the collection `transactions`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from services.ledger.adapters.analysis_documents import of_queued
from services.ledger.adapters.documents import (
    PAYMENT_BYTES_MAX,
    SCHEMA,
    encode,
    is_too_new,
    of_payment,
    state_of,
    to_payment,
)
from services.ledger.adapters.event_documents import of_event, of_tally, to_event
from services.ledger.adapters.inserting import insert_encoded
from services.ledger.model import NotDurable, Payment, StoredEvent
from services.ledger.ports import Aliased, Change, Inserted, Renaming
from services.ledger.schema import TooNew

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

COLLECTION: Final = "transactions"
OVERFLOW: Final = "events_overflow"
# Within one insert, so that its encoded documents stay far below the largest message.
_MOVED_AT_ONCE: Final = 500


class MongoPayments:
    """The port `Payments` on MongoDB."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        """Use a collection made by `mongo.durable`; what spills goes to another one beside it."""
        self._collection = collection

    def encode(self, payment: Payment) -> bytes:
        """Return the payment as its BSON document."""
        return encode(of_payment(payment), bytes_max=PAYMENT_BYTES_MAX)

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        """Insert payments that may be new."""
        return await insert_encoded(self._collection, encoded)

    async def read_durable(self, ids: Sequence[str]) -> Mapping[str, Payment]:
        """Read payments at read concern majority from the primary."""
        try:
            documents = await self._collection.find({"_id": {"$in": list(ids)}}).to_list(len(ids))
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        if newer := [document["_id"] for document in documents if is_too_new(document)]:
            raise TooNew(newer)
        return {document["_id"]: to_payment(document) for document in documents}

    async def find_aliased(self, wanted: Mapping[str, Collection[str]], *, rows_max: int) -> Sequence[Aliased]:
        """Find payments by their ids and aliases, at read concern majority from the primary."""
        ways: list[Mapping[str, Any]] = [
            {"source": source, "aliases": {"$in": list(aliases)}} for source, aliases in wanted.items()
        ]
        ids = [f"{source}:{alias}" for source, aliases in wanted.items() for alias in aliases]
        ways.append({"_id": {"$in": ids}})
        try:
            found = self._collection.find({"$or": ways}, {"source": 1, "tx_id": 1, "aliases": 1}, limit=rows_max)
            documents = await found.to_list(rows_max)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return [
            Aliased(source=each["source"], tx_id=each["tx_id"], aliases=tuple(each.get("aliases", ())))
            for each in documents
        ]

    async def read_spilled(self, wanted: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, StoredEvent]]:
        """Read events that were moved out, at read concern majority from the primary."""
        ids = [overflow_id(payment_id, event_id) for payment_id, events in wanted.items() for event_id in set(events)]
        found: dict[str, dict[str, StoredEvent]] = {}
        try:
            for document in await overflow_of(self._collection).find({"_id": {"$in": ids}}).to_list(len(ids)):
                stored = to_event(document["tx_id"], document)
                found.setdefault(document["payment"], {})[stored.event.event_id] = stored
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return found

    async def read_all_spilled(self, payment_id: str) -> Sequence[StoredEvent]:
        """Read every event that was moved out of a payment, at read concern majority from the primary."""
        try:
            documents = await overflow_of(self._collection).find({"payment": payment_id}).to_list(None)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return [to_event(document["tx_id"], document) for document in documents]

    async def rename_deliveries(self, renamings: Sequence[Renaming]) -> None:
        """Rename in the payments' documents, and beside them what was moved out."""
        held: list[UpdateOne] = []
        moved: list[UpdateOne] = []
        for each in renamings:
            named = {"event_id": each.event_id, "delivery": each.before}
            where = {"_id": each.payment_id, "events": {"$elemMatch": named}}
            held.append(UpdateOne(where, {"$set": {"events.$.delivery": each.after}}))
            apart = {"_id": overflow_id(each.payment_id, each.event_id), "delivery": each.before}
            moved.append(UpdateOne(apart, {"$set": {"delivery": each.after}}))
        try:
            if (await self._collection.bulk_write(held, ordered=False)).matched_count < len(held):
                await overflow_of(self._collection).bulk_write(moved, ordered=False)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error

    async def update(self, changes: Sequence[Change]) -> int:
        """Write each change under its version; return how many matched."""
        # First what moves, which is in its payment as well until that is written: a crash between them loses nothing.
        moved = [encode(of_overflow(change.before, stored)) for change in changes for stored in change.moved]
        for start in range(0, len(moved), _MOVED_AT_ONCE):
            inserted = await insert_encoded(overflow_of(self._collection), moved[start : start + _MOVED_AT_ONCE])
            if inserted.unstorable:
                raise NotDurable("an event that is stored can't be stored beside its payment")
        operations = [_operation(change) for change in changes]
        try:
            result = await self._collection.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            # A write error of one change leaves the others' fate open just as a write concern error does.
            raise NotDurable("bulk write failed") from error
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return result.matched_count


def overflow_of(payments: AsyncIOMotorCollection[dict[str, Any]]) -> AsyncIOMotorCollection[dict[str, Any]]:
    """Return the collection of events that were moved out of their payments, with the payments' own concerns."""
    overflow: AsyncIOMotorCollection[dict[str, Any]] = payments.database.get_collection(
        OVERFLOW,
        codec_options=payments.codec_options,
        read_preference=payments.read_preference,
        write_concern=payments.write_concern,
        read_concern=payments.read_concern,
    )
    return overflow


def overflow_id(payment_id: str, event_id: str) -> str:
    """Return the id of a moved event: no payment's id holds a slash, so no two events share one."""
    return f"{payment_id}/{event_id}"


def of_overflow(payment: Payment, stored: StoredEvent) -> dict[str, Any]:
    """Return a moved event as its document."""
    return {
        "_id": overflow_id(payment.id, stored.event.event_id),
        "schema": SCHEMA,
        "payment": payment.id,
        "tx_id": payment.tx_id,
        **of_event(stored),
    }


def _operation(change: Change) -> UpdateOne:
    before, after, added = change.before, change.after, change.added
    state = state_of(after)
    # Of a payment looked up later, only this says how it stood after this very change.
    state["change"] = {"version": after.version, "status": state["status"], "added": len(added)}
    update: dict[str, Any] = {"$set": state}
    if after.spilled is not None and after.spilled is not before.spilled:
        state["spilled"] = of_tally(after.spilled)
    if before.analysis is None and after.analysis is not None:
        # Later on the queue alone writes it, beside the version.
        state["analysis"] = of_queued(after.analysis)
    if change.moved:
        state["events"] = [of_event(stored) for stored in after.events]
    else:
        update["$push"] = {"events": {"$each": [of_event(stored) for stored in added]}}
    return UpdateOne({"_id": before.id, "version": before.version}, update)
