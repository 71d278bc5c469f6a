"""How an unordered insert's end is read: every item's fate, or the admission that nobody knows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import bson
import pytest
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import WriteConcern
from pymongo.errors import AutoReconnect, BulkWriteError, NetworkTimeout, PyMongoError, WTimeoutError

from services.ledger.adapters.inserting import insert_encoded
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.model import NotDurable
from services.ledger.ports import Change, Inserted, Repeat
from tests.fakes.ledger_items import event, item, refund
from tests.unit.ledger.rig import Rig

Collection = AsyncIOMotorCollection[dict[str, Any]]

DUPLICATE, VALIDATION, NOT_PRIMARY = 11000, 121, 10107
WRITE_CONCERN = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out"}


class Ending:
    """A collection, and the database it is in, whose every operation ends with an error."""

    name = "payments"
    write_concern = WriteConcern(w="majority", j=True)

    def __init__(self, error: Exception) -> None:
        """End with `error`."""
        self._error = error

    @property
    def database(self) -> Ending:
        """The database."""
        return self

    async def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """End."""
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


DOCUMENTS = [bson.encode({"_id": number}) for number in range(3)]


class Answering(Ending):
    """A database that answers an insert with what became of each document: the n-th code, 0 where it went well."""

    def __init__(self, *codes: int, concern: bool = False) -> None:
        """Answer so; `concern` says that the write is not known to be durable."""
        self.asked: list[dict[str, Any]] = []
        self._codes = codes
        self._concern = concern

    async def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Answer with the codes of as many documents as were sent."""
        self.asked.append(command)
        sent = len(command["documents"])
        codes, self._codes = self._codes[:sent], self._codes[sent:]
        answer: dict[str, Any] = {"ok": 1, "n": sent - len([code for code in codes if code])}
        if any(codes):
            answer["writeErrors"] = [
                {"index": index, "code": code, "errmsg": "said so"} for index, code in enumerate(codes) if code
            ]
        if self._concern:
            answer["writeConcernError"] = WRITE_CONCERN
        return answer


async def insert(*codes: int, concern: bool = False) -> Inserted:
    """Insert three documents, of which the n-th ends with the n-th code."""
    return await insert_encoded(cast("Collection", Answering(*codes, concern=concern)), DOCUMENTS)


async def test_duplicate_keys_and_refused_documents_are_told_apart() -> None:
    """What was there, and what the server refuses for good, is told by position; the rest was inserted."""
    assert await insert(DUPLICATE, 0, VALIDATION) == Inserted(existing=frozenset({0}), unstorable=frozenset({2}))


async def test_each_insert_names_its_write_concern_and_goes_on_past_errors() -> None:
    """Every command says majority, journaled and unordered by itself."""
    collection = Answering()
    await insert_encoded(cast("Collection", collection), DOCUMENTS)
    [asked] = collection.asked
    assert (asked["insert"], asked["ordered"]) == ("payments", False)
    assert asked["writeConcern"] == {"w": "majority", "j": True}


async def test_a_lost_primary_is_met_by_a_second_attempt() -> None:
    """What the first attempt wrote before the connection was lost comes back as existing."""

    class LostOnce(Answering):
        async def command(self, command: dict[str, Any]) -> dict[str, Any]:
            answer = await super().command(command)
            if len(self.asked) == 1:
                raise AutoReconnect("gone")
            return answer

    collection = LostOnce(0, 0, 0, DUPLICATE, 0, DUPLICATE)
    inserted = await insert_encoded(cast("Collection", collection), DOCUMENTS)
    assert inserted == Inserted(existing=frozenset({0, 2}), unstorable=frozenset())


async def test_what_does_not_fit_into_one_command_goes_in_several() -> None:
    """Documents beyond the server's limit for a command are sent in parts, and told apart by their own positions."""
    collection = Answering(0, 0, DUPLICATE)
    large = [bson.encode({"_id": number, "padding": b"x" * 5_000_000}) for number in range(3)]
    inserted = await insert_encoded(cast("Collection", collection), large)
    assert [len(asked["documents"]) for asked in collection.asked] == [2, 1]
    assert inserted == Inserted(existing=frozenset({2}), unstorable=frozenset())


@pytest.mark.parametrize("codes", [(), (DUPLICATE,), (DUPLICATE, DUPLICATE, DUPLICATE), (0, VALIDATION)])
async def test_a_write_concern_error_leaves_every_item_unknown(codes: tuple[int, ...]) -> None:
    """A write concern error alone, or beside duplicate keys, is NotDurable: those duplicates may yet be rolled back."""
    with pytest.raises(NotDurable):
        await insert(*codes, concern=True)


async def test_a_write_error_of_another_kind_leaves_every_item_unknown() -> None:
    """An error that is neither a duplicate nor about the document, such as a fail-over, is NotDurable."""
    with pytest.raises(NotDurable):
        await insert(DUPLICATE, NOT_PRIMARY)


@pytest.mark.parametrize(
    "error", [AutoReconnect("gone"), NetworkTimeout("late"), WTimeoutError("late"), PyMongoError()]
)
async def test_no_answer_leaves_every_item_unknown(error: Exception) -> None:
    """A lost connection or a timeout is NotDurable, in every operation of both stores."""
    payments, deliveries = MongoPayments(ending(error)), MongoDeliveries(ending(error))
    for operation in (
        insert_encoded(ending(error), DOCUMENTS),
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
