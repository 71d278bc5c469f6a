"""The port `KeptDeliveries` on the collection `deliveries`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bson import DatetimeMS
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import PyMongoError

from services.ledger.adapters.documents import DISPOSITIONS
from services.ledger.adapters.encryption import body_of, key_missing
from services.ledger.adapters.event_documents import to_fact
from services.ledger.adapters.mongo_reads import fault_of
from services.ledger.dispositions import Resolution
from services.ledger.model import Delivery, Disposition, NotDurable
from services.ledger.ports import Conflicting
from services.ledger.quarantine_ports import DeliveryScan, KeptDelivery, Resolved
from services.ledger.sealing import KeyRing, Unopenable

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

_log = logging.getLogger(__name__)

_WITHOUT_BODY: Final = {"body": 0, "headers": 0}
_WAITING: Final = DISPOSITIONS[Disposition.WAITING]
_PAUSE_MS_MAX: Final = 3_600_000
_DOUBLINGS_MAX: Final = 12
# Once an hour from the eighth time on: after some eight days what still waits is left to a person.
_LEASES_MAX: Final = 200


class MongoQuarantine:
    """Deliveries as people and the re-drive see them."""

    def __init__(
        self, collection: AsyncIOMotorCollection[dict[str, Any]], *, budget_s: float, keys: KeyRing | None = None
    ) -> None:
        """Use a collection made by `mongo.durable`; the server gives up on a read after `budget_s` seconds.

        Sealed bodies are opened with `keys`.
        """
        self._collection = collection
        self._keys = keys
        self._budget_ms = int(budget_s * 1000)

    async def find(self, delivery_key: str, *, body: bool) -> KeptDelivery | None:
        """Return one delivery, None where there is none."""
        try:
            document = await self._collection.find_one(
                {"_id": delivery_key}, None if body else _WITHOUT_BODY, max_time_ms=self._budget_ms
            )
            return None if document is None else self._kept(document)
        except PyMongoError as error:
            raise fault_of(error) from error
        except Unopenable as error:
            raise key_missing(error) from error

    async def scan(self, scan: DeliveryScan) -> Sequence[KeptDelivery]:
        """Return the next rows of a walk along the index of what is looked at."""
        cursor = self._collection.find(
            _condition(scan),
            None if scan.body else _WITHOUT_BODY,
            sort=[("recorded_at", DESCENDING), ("_id", DESCENDING)],
            limit=scan.rows_max,
            hint="quarantine",
            max_time_ms=self._budget_ms,
        )
        try:
            return [self._kept(document) for document in await cursor.to_list(scan.rows_max)]
        except PyMongoError as error:
            raise fault_of(error) from error
        except Unopenable as error:
            raise key_missing(error) from error

    async def resolve(
        self, delivery_key: str, *, before: Disposition, after: Disposition, resolved: Resolved
    ) -> KeptDelivery | None:
        """Move a delivery and keep the decision with it."""
        changes: dict[str, Any] = {"disposition": DISPOSITIONS[after]}
        update: dict[str, Any] = {"$set": changes, "$push": {"resolutions": _of_resolved(resolved)}}
        if after is Disposition.WAITING:
            changes |= {"due": DatetimeMS(resolved.at_ms), "lease_count": 0}
        else:
            update["$unset"] = {"due": ""}
        try:
            document: Any = await self._collection.find_one_and_update(
                {"_id": delivery_key, "disposition": DISPOSITIONS[before]},
                update,
                projection=_WITHOUT_BODY,
                return_document=ReturnDocument.AFTER,
            )
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return None if document is None else self._kept(document)

    async def lease(self, *, count_max: int, lease_ms: int) -> Sequence[KeptDelivery]:
        """Take waiting deliveries whose time has come."""
        try:
            cursor = self._collection.find(
                # Its lowest bound skips, in the index, what was never given a time.
                {"disposition": _WAITING, "due": {"$gte": DatetimeMS(0)}},
                {"due": 1, "lease_count": 1, "now": "$$NOW"},
                sort=[("due", ASCENDING)],
                limit=count_max,
                hint="redrive",
                max_time_ms=self._budget_ms,
            )
            ready = [each for each in await cursor.to_list(count_max) if each["due"] <= each["now"]]
            leased: list[KeptDelivery] = []
            for each in ready:
                taken = each.get("lease_count", 0)
                gives_up = taken >= _LEASES_MAX
                document: Any = await self._collection.find_one_and_update(
                    # Whoever took it first has moved its time.
                    {"_id": each["_id"], "disposition": _WAITING, "due": each["due"]},
                    [_GIVEN_UP if gives_up else {"$set": {"due": _later(lease_ms, taken), "lease_count": _ONE_MORE}}],
                    return_document=ReturnDocument.AFTER,
                )
                if document is None:
                    continue
                if gives_up:
                    _log.warning("delivery %s was run again %d times and is given up", each["_id"], taken)
                    continue
                self._add(document, leased)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        return leased

    def _add(self, document: Mapping[str, Any], leased: list[KeptDelivery]) -> None:
        try:
            leased.append(self._kept(document))
        except Unopenable as error:
            # The others are not to wait for somebody to list the key; this one comes again.
            _log.error("delivery %s can't be opened: %s", document["_id"], error)

    def _kept(self, document: Mapping[str, Any]) -> KeptDelivery:
        # Bytes that were not asked for were not read either.
        return _kept(document, body_of(document, self._keys) if "body" in document else b"")


_GIVEN_UP: Final[Mapping[str, Any]] = {
    "$set": {
        "disposition": DISPOSITIONS[Disposition.UNPROCESSABLE],
        "detail": {"$ifNull": ["$detail", "It was run again for days, and nothing could be recorded of it."]},
        "due": "$$REMOVE",
    }
}
_ONE_MORE: Final = {"$add": [{"$ifNull": ["$lease_count", 0]}, 1]}


def _later(lease_ms: int, times: int) -> Mapping[str, Any]:
    """Return when a delivery comes again: after the lease the first time, each further time after twice as long."""
    pause_ms = max(lease_ms, min(lease_ms << min(times, _DOUBLINGS_MAX), _PAUSE_MS_MAX))
    return {"$add": ["$$NOW", pause_ms]}


def _condition(scan: DeliveryScan) -> Mapping[str, Any]:
    condition: dict[str, Any] = {"disposition": {"$in": [DISPOSITIONS[each] for each in sorted(scan.dispositions)]}}
    if scan.source:
        condition["source"] = scan.source
    if scan.received_since_ms:
        condition["received_at"] = {"$gte": DatetimeMS(scan.received_since_ms)}
    if scan.after is not None:
        at = DatetimeMS(scan.after.recorded_at_ms)
        condition["recorded_at"] = {"$lte": at}
        condition["$or"] = [{"recorded_at": {"$lt": at}}, {"recorded_at": at, "_id": {"$lt": scan.after.id}}]
    return condition


def _of_resolved(resolved: Resolved) -> dict[str, Any]:
    return {
        "resolution": resolved.resolution.name.lower(),
        "author": resolved.author,
        "note": resolved.note,
        "at": DatetimeMS(resolved.at_ms),
    }


def _kept(document: Mapping[str, Any], body: bytes) -> KeptDelivery:
    get = document.get
    conflicts = get("conflicts", ())
    return KeptDelivery(
        id=document["_id"],
        source=document["source"],
        delivery_id=document["delivery_id"],
        delivery=Delivery(
            body=body,
            provider=get("provider", ""),
            headers=tuple([(name, bytes(value)) for name, value in get("headers", {}).items()]),
            key_id=get("key_id", ""),
            received_at_ms=int(get("received_at", document["recorded_at"])),
            signed_at_ms=int(get("signed_at", 0)),
            traceparent=get("traceparent", ""),
        ),
        disposition=Disposition[document["disposition"].upper()],
        detail=get("detail", ""),
        count=int(document["count"]),
        recorded_at_ms=int(document["recorded_at"]),
        last_seen_at_ms=int(document["last_seen_at"]),
        payments=tuple(document["transactions"]),
        conflicts=tuple(
            [
                Conflicting(place=each["place"], field=each["field"], event=to_fact(each["tx_id"], each["event"]))
                for each in conflicts
                if "event" in each
            ]
        ),
        conflict_count=len(conflicts),
        resolutions=tuple(
            [
                Resolved(
                    resolution=Resolution[each["resolution"].upper()],
                    author=each["author"],
                    note=each["note"],
                    at_ms=int(each["at"]),
                )
                for each in get("resolutions", ())
            ]
        ),
        erased="erased_at" in document,
        lease_count=int(get("lease_count", 0)),
    )
