"""The port `PaymentReads` on the collection `transactions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bson import DatetimeMS
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import PyMongoError

from mesh.errors import Fault, Kind
from services.ledger.adapters.documents import to_payment
from services.ledger.read_ports import Found, Scan, SelectBy

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

_INDEXES: Final = {
    SelectBy.EVERYTHING: "recorded_at",
    SelectBy.SOURCE: "source",
    SelectBy.SENDER: "sender_account",
    SelectBy.RECEIVER: "receiver_account",
    SelectBy.STATUS: "status",
    SelectBy.CURRENCY: "currency",
    SelectBy.RISK_LEVEL: "risk_level",
}
_FIELDS: Final = {by: name for by, name in _INDEXES.items() if by is not SelectBy.EVERYTHING} | {
    SelectBy.RISK_LEVEL: "risk.level"
}
_COUNT: Final = {"$size": {"$ifNull": ["$events", []]}}
# Everything but the events: those of a long-lived payment outweigh all the rest.
_WITHOUT_EVENTS: Final = (
    "source",
    "tx_id",
    "version",
    "status",
    "totals",
    "flags",
    "amount_fixed",
    "amount",
    "currency",
    "exponent",
    "sender_account",
    "receiver_account",
    "aliases",
    "risk",
    "recorded_at",
    "updated_at",
)
_BASIC: Final = {**dict.fromkeys(_WITHOUT_EVENTS, 1), "event_count": _COUNT}


class MongoPaymentReads:
    """Reads at majority from the primary."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]], *, budget_s: float) -> None:
        """Use a collection that reads at majority; the server gives up on a read after `budget_s` seconds."""
        self._collection = collection
        self._budget_ms = int(budget_s * 1000)

    async def find(self, ids: Sequence[str], *, events: bool) -> Sequence[Found]:
        """Return the payments there are among these ids."""
        cursor = self._collection.find(
            {"_id": {"$in": list(ids)}},
            None if events else _BASIC,
            batch_size=len(ids) + 1,
            max_time_ms=self._budget_ms,
        )
        try:
            return [_found(document) for document in await cursor.to_list(len(ids))]
        except PyMongoError as error:
            raise unreachable() from error

    async def scan(self, scan: Scan) -> Sequence[Found]:
        """Return the next rows of a walk along the index of its condition."""
        direction = ASCENDING if scan.ascending else DESCENDING
        cursor = self._collection.find(
            _condition(scan),
            _BASIC,
            sort=[("recorded_at", direction), ("_id", direction)],
            limit=scan.rows_max,
            batch_size=scan.rows_max + 1,
            hint=_INDEXES[scan.by],
            max_time_ms=self._budget_ms,
        )
        try:
            return [_found(document) for document in await cursor.to_list(scan.rows_max)]
        except PyMongoError as error:
            raise unreachable() from error


def _condition(scan: Scan) -> Mapping[str, Any]:
    """Return the filter of a walk: the indexed value, the range of time, and what lies behind the last row."""
    condition: dict[str, Any] = {}
    if scan.by is not SelectBy.EVERYTHING:
        value = scan.value
        condition[_FIELDS[scan.by]] = value if isinstance(value, str) else value.name.lower()
    bounds: dict[str, Any] = {}
    if scan.since_ms:
        bounds["$gte"] = DatetimeMS(scan.since_ms)
    if scan.until_ms:
        bounds["$lt"] = DatetimeMS(scan.until_ms)
    if scan.after is None:
        return {**condition, "recorded_at": bounds} if bounds else condition
    at = DatetimeMS(scan.after.recorded_at_ms)
    behind = "$gt" if scan.ascending else "$lt"
    # The outer bound on the time is what the index seeks by; the `$or` only drops rows of the same millisecond.
    edge = {"$gte": at} if scan.ascending else {"$lte": at}
    both = [{"recorded_at": bounds}] if bounds else []
    return {
        **condition,
        "$and": [
            *both,
            {"recorded_at": edge},
            {"$or": [{"recorded_at": {behind: at}}, {"recorded_at": at, "_id": {behind: scan.after.id}}]},
        ],
    }


def _found(document: Mapping[str, Any]) -> Found:
    payment = to_payment(document)
    return Found(payment=payment, event_count=document.get("event_count", len(payment.events)))


def unreachable() -> Fault:
    """Return the fault of storage that doesn't answer."""
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="DEPENDENCY_DOWN",
        message="The payment can't be read: storage does not answer; try again in a second.",
        metadata={"dependency": "mongodb"},
        retry_after_s=1.0,
    )
