"""How an unordered insert's end is read: every item's fate, or the admission that nobody knows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import bson
import pytest
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import AutoReconnect, BulkWriteError, NetworkTimeout, PyMongoError, WTimeoutError

from services.ledger.adapters.inserting import insert_encoded
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.model import NotDurable
from services.ledger.ports import Change, Inserted, Repeat
from tests.fakes.ledger_items import event, item, refund
from tests.unit.ledger.rig import Rig

DUPLICATE, VALIDATION, NOT_PRIMARY = 11000, 121, 10107
WRITE_CONCERN = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out"}


class Ending:
    """A collection whose every operation ends with an error."""

    def __init__(self, error: Exception) -> None:
        """End with `error`."""
        self._error = error

    async def insert_many(self, documents: Sequence[Any], *, ordered: bool) -> None:
        """End."""
        assert not ordered
        raise self._error

    async def bulk_write(self, operations: Sequence[Any], *, ordered: bool) -> None:
        """End."""
        assert not ordered
        raise self._error

    def find(self, query: Any) -> Ending:
        """Return what ends when it is read."""
        return self

    async def to_list(self, length: int) -> None:
        """End."""
        raise self._error


def ending(error: Exception) -> AsyncIOMotorCollection[dict[str, Any]]:
    """Return a collection that ends with an error."""
    return cast("AsyncIOMotorCollection[dict[str, Any]]", Ending(error))


def bulk(*codes: int, concern: bool = False) -> BulkWriteError:
    """Return the error of a bulk write whose n-th document ended with the n-th code (0: well)."""
    errors = [{"index": index, "code": code, "errmsg": "said so"} for index, code in enumerate(codes) if code]
    return BulkWriteError({"writeErrors": errors, "writeConcernErrors": [WRITE_CONCERN] if concern else []})


async def a_change() -> Change:
    """Return a payment before and after a refund."""
    rig = Rig()
    await rig.record(item("d-1", event()))
    before = rig.payments.get("autopay:T-1")
    await rig.record(item("d-2", refund("e-2", 1)))
    return Change(before=before, after=rig.payments.get("autopay:T-1"))


async def insert(error: Exception) -> Inserted:
    """Insert three documents into a collection that ends with an error."""
    return await insert_encoded(ending(error), [bson.encode({"_id": number}) for number in range(3)])


async def test_duplicate_keys_and_refused_documents_are_told_apart() -> None:
    """What was there, and what the server refuses for good, is told by position; the rest was inserted."""
    assert await insert(bulk(DUPLICATE, 0, VALIDATION)) == Inserted(existing=frozenset({0}), unstorable=frozenset({2}))


@pytest.mark.parametrize("codes", [(), (DUPLICATE,), (DUPLICATE, DUPLICATE, DUPLICATE), (0, VALIDATION)])
async def test_a_write_concern_error_leaves_every_item_unknown(codes: tuple[int, ...]) -> None:
    """A write concern error alone, or beside duplicate keys, is NotDurable: those duplicates may yet be rolled back."""
    with pytest.raises(NotDurable):
        await insert(bulk(*codes, concern=True))


async def test_a_write_error_of_another_kind_leaves_every_item_unknown() -> None:
    """An error that is neither a duplicate nor about the document, such as a fail-over, is NotDurable."""
    with pytest.raises(NotDurable):
        await insert(bulk(DUPLICATE, NOT_PRIMARY))


@pytest.mark.parametrize(
    "error", [AutoReconnect("gone"), NetworkTimeout("late"), WTimeoutError("late"), PyMongoError()]
)
async def test_no_answer_leaves_every_item_unknown(error: Exception) -> None:
    """A lost connection or a timeout is NotDurable, in every operation of both stores."""
    payments, deliveries = MongoPayments(ending(error)), MongoDeliveries(ending(error))
    for operation in (
        insert(error),
        payments.read_durable(["a:b"]),
        payments.update([await a_change()]),
        deliveries.repeat([Repeat(key="a:b", seen_by=("d-1",), disposition=None, seen_at_ms=0)]),
    ):
        with pytest.raises(NotDurable):
            await operation


@pytest.mark.parametrize("error", [bulk(concern=True), bulk(VALIDATION), bulk(NOT_PRIMARY)])
async def test_any_error_of_an_update_leaves_every_item_unknown(error: Exception) -> None:
    """An update has no errors to live with: whatever goes wrong with one leaves all of them open."""
    change = await a_change()
    with pytest.raises(NotDurable):
        await MongoPayments(ending(error)).update([change])
    with pytest.raises(NotDurable):
        await MongoDeliveries(ending(error)).repeat(
            [Repeat(key="a:b", seen_by=("d-1",), disposition=None, seen_at_ms=0)]
        )
