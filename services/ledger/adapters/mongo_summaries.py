"""The port `Summaries` as an aggregation.

Sums go through decimals of 34 digits: the server's own sum of 64-bit integers turns into a double without a word.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bson import DatetimeMS, Int64
from pymongo.errors import PyMongoError

from services.ledger.adapters.mongo_reads import fault_of
from services.ledger.read_ports import PaymentFilter
from services.ledger.summarizing import Dimension, SummaryQuery, SummaryRow

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

_VALUES: Final[Mapping[Dimension, Any]] = {
    Dimension.CURRENCY: "$currency",
    Dimension.STATUS: "$status",
    Dimension.SOURCE: "$source",
    Dimension.HOUR: {"$dateToString": {"date": "$recorded_at", "format": "%Y-%m-%dT%H:00:00Z"}},
    Dimension.DAY: {"$dateToString": {"date": "$recorded_at", "format": "%Y-%m-%d"}},
    Dimension.SENDER: "$sender_account",
    Dimension.RECEIVER: "$receiver_account",
    Dimension.RISK_LEVEL: "$risk.level",
}
_AMOUNTS: Final = {
    "amount": "$amount",
    "authorized": "$totals.authorized",
    "captured": "$totals.captured",
    "refunded": "$totals.refunded",
    "disputed": "$totals.disputed",
}
_SUMS: Final[Mapping[str, Any]] = {
    "exponent": {"$max": "$exponent"},
    **{name: {"$sum": {"$toDecimal": value}} for name, value in _AMOUNTS.items()},
}
# The dimensions that may have as many groups as there are payments, and the field of each.
_SIDES: Final = {Dimension.SENDER: "sender_account", Dimension.RECEIVER: "receiver_account"}
_FEW: Final = 100


class MongoSummaries:
    """Adds up at majority on the primary."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]], *, budget_s: float) -> None:
        """Use a collection that reads at majority; the server gives up after `budget_s` seconds."""
        self._collection = collection
        self._budget_s = budget_s

    async def sum_up(self, query: SummaryQuery, *, rows_max: int) -> Sequence[SummaryRow]:
        """Return the groups with the largest counts."""
        dimensions = tuple(dict.fromkeys((Dimension.CURRENCY, *query.by)))
        condition = _condition(query)
        ends_s = time.monotonic() + self._budget_s
        side = next((dimension for dimension in query.by if dimension in _SIDES), None)
        if side is not None and rows_max <= _FEW:
            # Adding up costs as much as finding and counting: where a few accounts of many are wanted, only theirs.
            counted = await self._aggregate(condition, dimensions, {}, rows_max, ends_s)
            # A payment without the account has None there, and None finds it.
            accounts = {group["_id"].get(side.name.lower()) for group in counted}
            condition = {**condition, _SIDES[side]: {"$in": list(accounts)}}
        found = await self._aggregate(condition, dimensions, _SUMS, rows_max, ends_s)
        return [_row(document, dimensions) for document in found]

    async def _aggregate(
        self,
        condition: Mapping[str, Any],
        dimensions: Sequence[Dimension],
        sums: Mapping[str, Any],
        rows_max: int,
        ends_s: float,
    ) -> Sequence[Mapping[str, Any]]:
        pipeline: list[Mapping[str, Any]] = [
            {"$match": condition},
            {
                "$group": {
                    "_id": {dimension.name.lower(): _VALUES[dimension] for dimension in dimensions},
                    "count": {"$sum": 1},
                    **sums,
                }
            },
            # Groups of one size in a fixed order, so that the same question has the same answer.
            {"$sort": {"count": -1, "_id": 1}},
            {"$limit": rows_max},
        ]
        left_ms = max(int((ends_s - time.monotonic()) * 1000), 1)
        try:
            cursor = self._collection.aggregate(pipeline, allowDiskUse=True, batchSize=rows_max + 1, maxTimeMS=left_ms)
            found: Sequence[Mapping[str, Any]] = await cursor.to_list(rows_max)
        except PyMongoError as error:
            raise fault_of(error) from error
        return found


def _condition(query: SummaryQuery) -> Mapping[str, Any]:
    between = {"$gte": DatetimeMS(query.since_ms), "$lt": DatetimeMS(query.until_ms)}
    return {"recorded_at": between, **_filter(query.wanted)}


def _filter(wanted: PaymentFilter) -> Mapping[str, Any]:
    condition: dict[str, Any] = {}
    if wanted.source:
        condition["source"] = wanted.source
    if wanted.status is not None:
        condition["status"] = wanted.status.name.lower()
    if wanted.currency:
        condition["currency"] = wanted.currency
    if wanted.risk_level is not None:
        condition["risk.level"] = wanted.risk_level.name.lower()
    bounds = {}
    if wanted.amount_min:
        bounds["$gte"] = Int64(wanted.amount_min)
    if wanted.amount_max:
        bounds["$lte"] = Int64(wanted.amount_max)
    if bounds:
        condition["amount"] = bounds
    return condition


def _row(document: Mapping[str, Any], dimensions: Sequence[Dimension]) -> SummaryRow:
    group = document["_id"]
    return SummaryRow(
        key={dimension: group.get(dimension.name.lower()) or "" for dimension in dimensions},
        exponent=document["exponent"] or 0,
        count=int(document["count"]),
        **{name: int(document[name].to_decimal()) if document[name] else 0 for name in _AMOUNTS},
    )
