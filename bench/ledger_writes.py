"""Records payments 256 a call, and inserts the very documents that came of it into a like collection beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from autopay.ledger.v1 import ledger_pb2

from bench import ledger_payments
from bench.ledger_process import LedgerLostError
from services.ledger.adapters import mongo
from services.ledger.adapters.migrations import Migrator
from services.ledger.adapters.retention import Retention
from services.ledger.adapters.steps import steps

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2_grpc
    from motor.motor_asyncio import AsyncIOMotorCollection

    Collection = AsyncIOMotorCollection[dict[str, Any]]

_Row = TypeVar("_Row")

CALL_ITEMS: Final = 256
CALLS_AT_ONCE: Final = 4
# Both take turns after so many payments: what drifts meanwhile, the sizes of the indexes too, is alike for both.
_TURN: Final = 16 * CALL_ITEMS
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Payments per second through the ledger, and documents per second straight into a collection."""

    record_per_s: float
    insert_per_s: float

    @property
    def ratio(self) -> float:
        """How much of the raw rate is left."""
        return self.record_per_s / self.insert_per_s


async def prepare_raw(url: str) -> None:
    """Make the collection that is inserted into: with the ledger's own validator and indexes."""
    client = mongo.connect_patiently(url)
    await Migrator(mongo.database_of(client, url), steps(retention=Retention(days=0)), owner="bench").make_ready()
    client.close()


class Writers:
    """Grows the ledger and the collection beside it by the same payments."""

    def __init__(self, stub: ledger_pb2_grpc.LedgerServiceStub, *, stored: Collection, raw: Collection) -> None:
        """Record through `stub`, whose documents are found in `stored`, and insert those into `raw`."""
        self._stub = stub
        self._stored = stored
        self._raw = raw

    async def grow(self, start: int, end: int) -> Rates:
        """Write the payments from number `start` until before `end`, in turns, and return both rates."""
        record_s = insert_s = 0.0
        for first in range(start, end, _TURN):
            numbers = range(first, min(first + _TURN, end))
            items = ledger_payments.items(numbers)
            record_s += await _timed(self._record, _calls(items))
            documents = await self._documents(numbers)
            insert_s += await _timed(self._insert, _calls(documents))
        count = end - start
        return Rates(record_per_s=count / record_s, insert_per_s=count / insert_s)

    async def _record(self, items: Sequence[ledger_pb2.RecordItem]) -> None:
        answer = await self._stub.Record(ledger_pb2.RecordRequest(items=items), timeout=_TIMEOUT_S)
        for result in answer.results:
            if [event.outcome for event in result.events] != [ledger_pb2.OUTCOME_CREATED]:
                message = f"a payment was not recorded: {result.error.message or result}"
                raise LedgerLostError(message)

    async def _documents(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Read what the ledger stored, in the order it was sent."""
        ids = [ledger_payments.id_of(number) for number in numbers]
        found = await self._stored.find({"_id": {"$in": ids}}).to_list(None)
        by_id = {document["_id"]: document for document in found}
        return [by_id[one] for one in ids]

    async def _insert(self, documents: Sequence[dict[str, Any]]) -> None:
        await self._raw.insert_many(documents, ordered=False)


def _calls(rows: Sequence[_Row]) -> list[Sequence[_Row]]:
    return [rows[first : first + CALL_ITEMS] for first in range(0, len(rows), CALL_ITEMS)]


async def _timed(write: Callable[[Sequence[_Row]], Awaitable[None]], calls: Sequence[Sequence[_Row]]) -> float:
    """Return the seconds that all calls took, `CALLS_AT_ONCE` of them under way at any time."""
    left = iter(calls)

    async def work() -> None:
        for rows in left:
            await write(rows)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CALLS_AT_ONCE)))
    return time.perf_counter() - started
