"""What MongoDB itself refuses, what it must not refuse, and what it removes when its time has come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bson
import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, error_pb2, payment_pb2
from bson import DatetimeMS
from pymongo.errors import WriteError

from mesh.channel import call
from mesh.errors import Fault, Kind
from services.ledger.adapters import mongo, validators
from services.ledger.adapters.documents import DISPOSITIONS
from services.ledger.adapters.retention import INDEX, Retention
from services.ledger.model import Disposition
from tests.ledgers import RunningLedger, captured, recorded, running_ledger
from tests.secure_mongo import running_secure_mongo

REFUSED = 121


@pytest.fixture
async def ledger(mongo_url: str) -> AsyncIterator[RunningLedger]:
    """A ledger with a payment and a delivery."""
    async with running_ledger(mongo_url) as running:
        await deliver(running, [captured("T-1", event_id="e-1")])
        yield running


async def deliver(ledger: RunningLedger, events: list[payment_pb2.PaymentEvent], **fields: Any) -> None:
    """Record one delivery."""
    item = recorded(captured("unused"), risk=2)
    del item.events[:]
    item.events.extend([ledger_pb2.RecordEvent(event=event) for event in events])
    item.delivery.CopyFrom(delivery_pb2.Delivery(source="autopay", body=item.delivery_id.encode()))
    item.disposition = fields.get("disposition", 0)
    answer = await ledger.stub.Record(ledger_pb2.RecordRequest(items=[item]), timeout=10)
    assert not answer.results[0].HasField("error"), answer


async def copy_of(ledger: RunningLedger, collection: str) -> dict[str, Any]:
    """A stored document under another id."""
    document: dict[str, Any] = await ledger.database[collection].find_one()
    return {**document, "_id": "autopay:copy"}


def dotted(document: dict[str, Any], path: str, value: object) -> None:
    """Set or, with None, remove a field below others."""
    *above, last = path.split(".")
    target: Any = document
    for name in above:
        target = target[int(name)] if name.isdecimal() else target[name]
    if value is None:
        del target[last]
    else:
        target[last] = value


@pytest.mark.parametrize(
    ("collection", "path", "value"),
    [
        ("transactions", "totals.captured", 10.5),
        ("transactions", "totals.captured", 10),
        ("transactions", "totals.refunded", None),
        ("transactions", "amount", 10.0),
        ("transactions", "amount", bson.Decimal128("10")),
        ("transactions", "events.0.amount", 10.5),
        ("transactions", "status", "paid"),
        ("transactions", "version", 0),
        ("transactions", "version", None),
        ("transactions", "recorded_at", 1_700_000_000_000),
        ("transactions", "updated_at", None),
        ("transactions", "events", {}),
        ("transactions", "schema", None),
        ("deliveries", "body", None),
        ("deliveries", "body", "text"),
        ("deliveries", "disposition", "lost"),
        ("deliveries", "count", 1.5),
        ("deliveries", "recorded_at", None),
        ("deliveries", "source", None),
    ],
)
async def test_a_document_that_would_not_add_up_is_refused(
    ledger: RunningLedger, collection: str, path: str, value: object
) -> None:
    """Whoever writes it: a float of money doesn't get in by a script, either."""
    document = await copy_of(ledger, collection)
    await ledger.database[collection].insert_one(dict(document))
    document["_id"] = "autopay:worse"
    dotted(document, path, value)
    with pytest.raises(WriteError) as refused:
        await ledger.database[collection].insert_one(document)
    assert refused.value.code == REFUSED


async def test_a_good_document_cannot_be_made_bad(ledger: RunningLedger) -> None:
    """Updates are checked as inserts are."""
    with pytest.raises(WriteError) as refused:
        await ledger.database["transactions"].update_one({"_id": "autopay:T-1"}, {"$set": {"amount": 4.2}})
    assert refused.value.code == REFUSED


async def test_a_newer_version_may_write_fields_that_this_one_does_not_know(ledger: RunningLedger) -> None:
    """Old and new replicas write side by side, and this one goes on with what the new one wrote."""
    await ledger.database["transactions"].update_one(
        {"_id": "autopay:T-1"}, {"$set": {"from_the_future": {"deep": [1.5]}}}
    )
    await ledger.database["deliveries"].update_many({}, {"$set": {"from_the_future": 1}})
    await ledger.record(captured("T-1", event_id="e-2", amount_fixed=False))
    kept = await ledger.database["transactions"].find_one({"_id": "autopay:T-1"})
    assert (kept["version"], kept["from_the_future"]) == (2, {"deep": [1.5]})


async def test_a_payment_of_a_newer_form_is_neither_read_nor_changed(ledger: RunningLedger) -> None:
    """It is refused by name and may be asked for again, of an updated replica; its neighbours are recorded."""
    transactions = ledger.database["transactions"]
    await transactions.update_one({"_id": "autopay:T-1"}, {"$set": {"schema": 2}})
    events = [captured("T-1", event_id="e-2", amount_fixed=False), captured("T-2")]
    request = ledger_pb2.RecordRequest(items=[recorded(event) for event in events])
    refused, neighbour = (await ledger.stub.Record(request, timeout=10)).results
    assert (refused.error.reason, refused.error.retryable) == (error_pb2.ERROR_REASON_SCHEMA_TOO_NEW, True)
    assert refused.error.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert neighbour.disposition == ledger_pb2.DISPOSITION_RECORDED
    for view in (ledger_pb2.TRANSACTION_VIEW_BASIC, ledger_pb2.TRANSACTION_VIEW_FULL):
        with pytest.raises(Fault) as fault:
            await call(
                ledger.stub.GetTransaction,
                ledger_pb2.GetTransactionRequest(source="autopay", tx_id="T-1", view=view),
                timeout_s=10,
            )
        assert (fault.value.kind, fault.value.reason) == (Kind.UNAVAILABLE, "SCHEMA_TOO_NEW")
    assert (await transactions.find_one({"_id": "autopay:T-1"}))["version"] == 1


async def test_a_payment_from_before_the_validator_still_takes_its_money_events(ledger: RunningLedger) -> None:
    """What an old version wrote is no reason to refuse a fact."""
    transactions = ledger.database["transactions"]
    await ledger.database.command({"collMod": "transactions", "validationLevel": "off"})
    # Without what is required now, and with a field of a type it may no longer have.
    await transactions.update_one({"_id": "autopay:T-1"}, {"$unset": {"schema": ""}, "$set": {"description": 5}})
    await transactions.update_one({"_id": "autopay:T-1"}, {"$unset": {"description": ""}})
    await validators.put_in_place(ledger.database)
    await ledger.record(captured("T-1", event_id="e-2", amount_fixed=False))
    kept = await transactions.find_one({"_id": "autopay:T-1"})
    assert (kept["version"], "schema" in kept) == (2, False)


async def test_the_validators_refuse_nothing_that_the_ledger_writes(ledger: RunningLedger) -> None:
    """Every kind of event and disposition, amounts and none, hundreds of them in random orders."""
    chance = random.Random(7)
    events = []
    for number in range(300):
        event = captured(f"T-{number % 40}", chance.choice([1, 10_000, 2**40]), chance.choice(["EUR", "JPY", "KWD"]))
        event.kind = chance.randint(1, 12)  # type: ignore[assignment]
        event.amount_fixed = chance.random() < 0.2
        event.object_id = chance.choice(["", f"o-{number % 9}"])
        event.description = chance.choice(["", "für Älice"])
        event.aliases.extend(chance.choice([[], ["pi_1", "ch_1"]]))
        if event.kind not in {2, 3, 6, 9} and chance.random() < 0.5:
            event.ClearField("amount")
        events.append(event)
    for start in range(0, len(events), 25):
        # Items alone and deliveries of many events.
        await deliver(ledger, events[start : start + 5])
        items = [recorded(event, risk=3) for event in events[start + 5 : start + 25]]
        answer = await ledger.stub.Record(ledger_pb2.RecordRequest(items=items), timeout=20)
        assert not any(result.HasField("error") for result in answer.results), answer
    for disposition in (Disposition.IGNORED, Disposition.UNPROCESSABLE, Disposition.WAITING):
        await deliver(ledger, [], disposition=int(disposition))


async def index_of(database: Any) -> dict[str, Any] | None:
    """The index by which deliveries expire."""
    found: dict[str, Any] = await database["deliveries"].index_information()
    return found.get(INDEX)


async def test_the_retention_follows_its_setting(ledger: RunningLedger) -> None:
    """Off, on, longer, and off again; each takes effect on what is stored already."""
    for days in (0, 30, 90, 30, 0):
        retention = Retention(days=days)
        await retention.apply(ledger.database)
        assert not await retention.differs(ledger.database)
        index = await index_of(ledger.database)
        assert (index["expireAfterSeconds"] if index else 0) == days * 86_400


async def test_only_what_ended_well_expires(ledger: RunningLedger, tmp_path: Path) -> None:
    """Old quarantine stays until somebody decides; then it goes; younger deliveries stay."""
    template = await copy_of(ledger, "deliveries")
    now_ms = int(template["recorded_at"])
    # This one's server looks for what has expired every second.
    with running_secure_mongo(tmp_path) as secure:
        client = mongo.connect_patiently(secure.admin_url)
        database = client["autopay"]
        deliveries = database["deliveries"]
        for disposition in Disposition:
            for age_days in (1, 31):
                at = DatetimeMS(now_ms - age_days * 86_400_000)
                name = DISPOSITIONS[disposition]
                document = {"_id": f"{name}-{age_days}", "disposition": name, "recorded_at": at}
                await deliveries.insert_one({**template, **document})
        await Retention(days=30).apply(database)
        await gone(deliveries, {"recorded-31", "duplicate-31", "ignored-31", "dismissed-31"})
        left = {document["_id"] async for document in deliveries.find({}, {"_id": 1})}
        undecided = {f"{name}-31" for name in ("conflict", "unprocessable", "waiting")}
        assert left == undecided | {f"{name}-1" for name in DISPOSITIONS.values()}
        # Somebody decides about the conflict.
        await deliveries.update_one({"_id": "conflict-31"}, {"$set": {"disposition": "dismissed"}})
        await gone(deliveries, {"conflict-31"})
        client.close()


async def gone(deliveries: Any, names: set[str]) -> None:
    """Wait until these are no longer there."""
    for _ in range(150):
        if not await deliveries.count_documents({"_id": {"$in": list(names)}}):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{names} are still there")
