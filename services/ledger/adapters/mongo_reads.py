"""The port `PaymentReads` on the collection `transactions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bson import DatetimeMS, MaxKey, MinKey
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import OperationFailure, PyMongoError

from mesh.errors import Fault, Kind
from services.ledger.adapters.documents import to_payment
from services.ledger.adapters.mongo_payments import overflow_of
from services.ledger.read_ports import Found, Scan, SelectBy
from services.ledger.schema import TooNew, too_new

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

_Key = list[tuple[str, Any]]

_INDEXES: Final = {
    SelectBy.EVERYTHING: "recorded_at",
    SelectBy.SOURCE: "source",
    SelectBy.SENDER: "sender_account",
    SelectBy.RECEIVER: "receiver_account",
    SelectBy.STATUS: "status",
    SelectBy.CURRENCY: "currency",
    SelectBy.RISK_LEVEL: "risk_level",
    SelectBy.ANALYSIS_STATE: "analysis_state",
}
_FIELDS: Final = {by: name for by, name in _INDEXES.items() if by is not SelectBy.EVERYTHING} | {
    SelectBy.RISK_LEVEL: "risk.level",
    SelectBy.ANALYSIS_STATE: "analysis.state",
}
# MaxTimeMSExpired, and what a server says that is going down, came up just now, or lost its primary.
_PASSING: Final = frozenset({50, 89, 91, 133, 134, 189, 202, 262, 10107, 11600, 11602, 13435, 13436})
_COUNT: Final = {"$add": [{"$size": {"$ifNull": ["$events", []]}}, {"$ifNull": ["$spilled.count", 0]}]}
# Of the events that were moved out of a payment's document, so many at most are read with it.
_SPILLED_EVENTS_MAX: Final = 1_000
# Everything but the events: those of a long-lived payment outweigh all the rest.
_WITHOUT_EVENTS: Final = (
    "schema",
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
    "analysis.state",
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
            documents = await cursor.to_list(len(ids))
            if events:
                for document in documents:
                    await self._add_spilled(document)
        except PyMongoError as error:
            raise fault_of(error) from error
        return [_found(document) for document in documents]

    async def _add_spilled(self, document: dict[str, Any]) -> None:
        """Put the events that were moved out of a payment's document back in front of the others."""
        if "spilled" not in document:
            return
        document["event_count"] = document["spilled"]["count"] + len(document["events"])
        held = {event["event_id"] for event in document["events"]}
        cursor = overflow_of(self._collection).find(
            {"payment": document["_id"]}, batch_size=_SPILLED_EVENTS_MAX + 1, max_time_ms=self._budget_ms
        )
        moved = await cursor.limit(_SPILLED_EVENTS_MAX).to_list(_SPILLED_EVENTS_MAX)
        # One that was copied by a writer who then lost the race is still held as well.
        document["events"] = [*(event for event in moved if event["event_id"] not in held), *document["events"]]

    async def scan(self, scan: Scan) -> Sequence[Found]:
        """Return the next rows of a walk along the index of its condition."""
        if _is_empty(scan):
            return []
        least, most = _bounds(scan)
        direction = ASCENDING if scan.ascending else DESCENDING
        cursor = self._collection.find(
            {},
            _BASIC,
            sort=[(name, direction) for name, _ in least],
            limit=scan.rows_max,
            batch_size=scan.rows_max + 1,
            hint=_INDEXES[scan.by],
            max_time_ms=self._budget_ms,
        )
        cursor.min(least).max(most)
        try:
            return [_found(document) for document in await cursor.to_list(scan.rows_max)]
        except PyMongoError as error:
            raise fault_of(error) from error


def _bounds(scan: Scan) -> tuple[_Key, _Key]:
    """Return the first entry of the index that is walked, and the one it stops before.

    Bounds of the index itself seek to the very row behind the last page; as conditions, every row recorded in the same
    millisecond would be looked at again.
    """
    prefix: _Key = []
    if scan.by is not SelectBy.EVERYTHING:
        value = scan.value if isinstance(scan.value, str) else scan.value.name.lower()
        prefix = [(_FIELDS[scan.by], value)]
    least: _Key = [
        *prefix,
        ("recorded_at", DatetimeMS(scan.since_ms) if scan.since_ms else MinKey()),
        ("_id", MinKey()),
    ]
    most: _Key = [*prefix, ("recorded_at", DatetimeMS(scan.until_ms) if scan.until_ms else MaxKey()), ("_id", MinKey())]
    if scan.after is not None:
        at = DatetimeMS(scan.after.recorded_at_ms)
        if scan.ascending:
            # The least text behind an id is the id with a NUL.
            least = [*prefix, ("recorded_at", at), ("_id", f"{scan.after.id}\0")]
        else:
            most = [*prefix, ("recorded_at", at), ("_id", scan.after.id)]
    return least, most


def _is_empty(scan: Scan) -> bool:
    """Return whether nothing can lie in the range, which the server would call an error."""
    if scan.after is None:
        return bool(scan.until_ms) and scan.until_ms <= scan.since_ms
    if scan.ascending:
        return bool(scan.until_ms) and scan.after.recorded_at_ms >= scan.until_ms
    return scan.after.recorded_at_ms < scan.since_ms


def _found(document: Mapping[str, Any]) -> Found:
    try:
        payment = to_payment(document)
    except TooNew:
        raise too_new() from None
    return Found(payment=payment, event_count=document.get("event_count", len(payment.events)))


def fault_of(error: PyMongoError) -> Exception:
    """Return what a failed read means: storage is away or too slow, or else a mistake of ours, which is not hidden."""
    if isinstance(error, OperationFailure) and error.code not in _PASSING:
        return error
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="DEPENDENCY_DOWN",
        message="The payment can't be read: storage does not answer; try again in a second.",
        metadata={"dependency": "mongodb"},
        retry_after_s=1.0,
    )
