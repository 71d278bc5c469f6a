"""Each service's user in MongoDB, over TLS, may do what the service does, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from services.ledger.adapters import mongo
from tests.ledgers import captured, first_changes, recorded, refunded
from tests.mesh_processes import NAMES, RunningMesh
from tests.secure_mongo import SecureMongo, make_certificates, running_secure_mongo
from tests.servers import bare_environment, why_no_mongod

APPLY = Path(__file__).resolve().parents[2] / "deploy/mongodb/apply.py"
PASSWORDS = {"AUTOPAY_LEDGER_PASSWORD": "ledger-password", "AUTOPAY_INSIGHT_PASSWORD": "insight-password"}

Database = Any


def apply(secure: SecureMongo, passwords: dict[str, str]) -> str:
    """What the script for roles and users prints."""
    environment = {**bare_environment(), "MONGO_ADMIN_URL": secure.admin_url, **passwords}
    done = subprocess.run([sys.executable, APPLY], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureMongo]:
    """A MongoDB with TLS and our users in it."""
    if reason := why_no_mongod():
        pytest.skip(reason)
    with running_secure_mongo(tmp_path_factory.mktemp("secure")) as running:
        apply(running, PASSWORDS)
        yield running


@pytest.fixture(scope="module")
def open_database(secure: SecureMongo) -> Iterator[Callable[[str], Database]]:
    """Opens the database as one of the users: `open_database("ledger")`."""
    clients: list[MongoClient[dict[str, Any]]] = []

    def database(service: str) -> Database:
        clients.append(MongoClient(url_of(secure, service), serverSelectionTimeoutMS=5_000))
        return clients[-1]["autopay"]

    yield database
    for client in clients:
        client.close()


def url_of(secure: SecureMongo, service: str) -> str:
    """The connection string of a service."""
    return secure.url(f"autopay-{service}", f"{service}-password")


REFUSED: list[tuple[str, str, Callable[[Database], object]]] = [
    ("ledger", "reads what insight keeps", lambda database: database["profiles"].find_one()),
    ("ledger", "changes what insight keeps", lambda database: database["insight_state"].insert_one({})),
    ("ledger", "deletes a payment", lambda database: database["transactions"].delete_one({"_id": "x"})),
    ("ledger", "deletes a delivery", lambda database: database["deliveries"].delete_one({"_id": "x"})),
    ("ledger", "drops payments", lambda database: database["transactions"].drop()),
    ("ledger", "reads the audit", lambda database: database["audit"].find_one()),
    ("ledger", "rewrites the audit", lambda database: database["audit"].update_one({}, {"$set": {"caller": "x"}})),
    ("ledger", "deletes from the audit", lambda database: database["audit"].delete_one({})),
    ("ledger", "makes a collection of its own", lambda database: database["other"].insert_one({})),
    ("ledger", "reads another database", lambda database: database.client["other"]["x"].find_one()),
    ("ledger", "makes a user", lambda database: database.command("createUser", "x", pwd="x", roles=[])),
    ("insight", "reads payments", lambda database: database["transactions"].find_one()),
    ("insight", "reads raw bytes", lambda database: database["deliveries"].find_one()),
    ("insight", "changes payments", lambda database: database["transactions"].update_one({}, {"$set": {"x": 1}})),
    ("insight", "writes to the audit", lambda database: database["audit"].insert_one({})),
    ("insight", "takes the ledger's lease", lambda database: database["ledger_state"].find_one()),
]


@pytest.mark.parametrize(("service", "what", "act"), REFUSED, ids=[f"{who} {what}" for who, what, _ in REFUSED])
def test_a_service_may_not_do_what_is_anothers(
    open_database: Callable[[str], Database], service: str, what: str, act: Callable[[Database], object]
) -> None:
    """Not even with the password out of its own settings."""
    with pytest.raises(OperationFailure) as refused:
        act(open_database(service))
    assert refused.value.code == 13, what


def test_nobody_without_a_password_gets_in(secure: SecureMongo) -> None:
    """Neither with a wrong one."""
    wrong = secure.url("autopay-ledger", "wrong")
    refused = pytest.raises(OperationFailure, match="Authentication failed")
    with MongoClient[dict[str, Any]](wrong, serverSelectionTimeoutMS=5_000) as client, refused:
        client["autopay"]["transactions"].find_one()


def test_applying_again_updates_and_keeps_passwords(
    secure: SecureMongo, open_database: Callable[[str], Database]
) -> None:
    """The script is how a new version's roles get in, too."""
    assert "role autopayLedger: updated" in (said := apply(secure, {}))
    assert "user autopay-ledger: updated, with the password it had" in said
    assert open_database("ledger")["transactions"].find_one({"_id": "none"}) is None


@pytest.fixture(scope="module")
def mesh(secure: SecureMongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """A mesh whose ledger and insight are their own users, over TLS; bodies are sealed, and kept for a month."""
    environment = {
        "LEDGER_BODY_KEYS": f"k1:{base64.b64encode(b'k' * 32).decode()}",
        "LEDGER_DELIVERY_RETENTION_DAYS": "30",
        "LEDGER_ANALYSIS_POLICY": "all",
        "INSIGHT_FLUSH_S": "0.5",
    }
    running = RunningMesh(url_of(secure, "ledger"), tmp_path_factory.mktemp("mesh"), environment)
    try:
        for name in NAMES:
            running.launch(name, {"MONGO_URL": url_of(secure, name)} if name == "insight" else None)
        running.await_healthy()
        yield running
    finally:
        running.terminate_all()


@pytest.fixture
async def stub(mesh: RunningMesh) -> AsyncIterator[ledger_pb2_grpc.LedgerServiceStub]:
    """The mesh's ledger."""
    async with grpc.aio.insecure_channel(mesh.addresses["ledger"]) as channel:
        yield ledger_pb2_grpc.LedgerServiceStub(channel)


def delivered(number: int, **fields: Any) -> ledger_pb2.RecordItem:
    """An item with a delivery."""
    item = recorded(captured(f"T-{number}", **fields))
    item.delivery.source = "autopay"
    item.delivery.body = f"body {number} {fields}".encode()
    return item


async def test_the_ledger_can_do_everything_it_serves_as_its_own_user(
    mesh: RunningMesh, stub: ledger_pb2_grpc.LedgerServiceStub, secure: SecureMongo
) -> None:
    """No privilege is missing: recording, spilling, reading, watching, deciding, erasing, rotating, expiring."""
    watching = stub.WatchTransactions(ledger_pb2.WatchTransactionsRequest(heartbeat_ms=1_000), timeout=60)
    await watching.read()
    first = delivered(1, event_id="e-1")
    conflicting = delivered(1, event_id="e-1", minor_units=7)
    for items in ([first], [conflicting], [delivered(2)]):
        answer = await stub.Record(ledger_pb2.RecordRequest(items=items), timeout=20)
        assert not any(result.HasField("error") for result in answer.results), answer
    # Past what one document holds.
    for start in range(0, 240, 80):
        refunds = [recorded(refunded("T-2", 1, event_id=f"r-{number}")) for number in range(start, start + 80)]
        answer = await stub.Record(ledger_pb2.RecordRequest(items=refunds), timeout=20)
        assert not any(result.HasField("error") for result in answer.results), answer
    changes, _ = await first_changes(watching, 4)
    assert {change.tx_id for change in changes} == {"T-1", "T-2"}
    watching.cancel()
    request = ledger_pb2.GetTransactionRequest(
        source="autopay", tx_id="T-2", view=ledger_pb2.TRANSACTION_VIEW_FULL, min_version=1, wait_ms=100
    )
    assert (await stub.GetTransaction(request, timeout=20)).transaction.event_count == 241
    account = ledger_pb2.TransactionSelector(account=ledger_pb2.AccountSelector(account="alice"))
    listed = await stub.ListTransactions(ledger_pb2.ListTransactionsRequest(selector=account), timeout=20)
    assert len(listed.transactions) == 2
    summary = ledger_pb2.SummarizeTransactionsRequest(
        recorded_since_ms=1, recorded_until_ms=31_622_400_000, group_by=[ledger_pb2.SUMMARY_GROUP_STATUS]
    )
    await stub.SummarizeTransactions(summary, timeout=20)
    leasing = ledger_pb2.LeaseAnalysesRequest(worker="w", tasks_max=1, lease_ms=5_000)
    assert len((await stub.LeaseAnalyses(leasing, timeout=20)).tasks) == 1
    waiting = ledger_pb2.LeaseDeliveriesRequest(worker="w", deliveries_max=1, lease_ms=5_000)
    await stub.LeaseDeliveries(waiting, timeout=20)
    listing = ledger_pb2.ListDeliveriesRequest(with_body=True)
    (kept,) = (await stub.ListDeliveries(listing, timeout=20)).deliveries
    assert kept.delivery.body == conflicting.delivery.body
    for resolution in (ledger_pb2.RESOLUTION_DISMISS, ledger_pb2.RESOLUTION_REDRIVE, ledger_pb2.RESOLUTION_DISMISS):
        decision = ledger_pb2.ResolveDeliveryRequest(id=kept.id, resolution=resolution, author="ann", note="why")
        await stub.ResolveDelivery(decision, timeout=20)
    assert (await stub.ResealDeliveries(ledger_pb2.ResealDeliveriesRequest(), timeout=20)).examined == 3
    erasure = ledger_pb2.EraseDeliveriesRequest(account="alice", author="ann", note="why")
    assert (await stub.EraseDeliveries(erasure, timeout=20)).erased == 3
    with MongoClient[dict[str, Any]](secure.admin_url) as client:
        database = client["autopay"]
        assert database["events_overflow"].count_documents({}) > 0
        assert database["audit"].count_documents({}) >= 4
        assert database["deliveries"].index_information()["expiry"]["expireAfterSeconds"] == 30 * 86_400
    problems = [line for line in mesh.log_lines("ledger") if "not authorized" in str(line)]
    assert problems == []


async def test_another_retention_is_put_in_place_by_the_ledgers_own_user(
    mesh: RunningMesh, secure: SecureMongo
) -> None:
    """Longer, then for ever: an index is changed, and dropped."""
    with MongoClient[dict[str, Any]](secure.admin_url) as client:
        deliveries = client["autopay"]["deliveries"]
        for days, seconds in (("90", 90 * 86_400), ("0", None)):
            await mesh.stop("ledger")
            await mesh.restart("ledger", {"LEDGER_DELIVERY_RETENTION_DAYS": days})
            for _ in range(100):
                if deliveries.index_information().get("expiry", {}).get("expireAfterSeconds") == seconds:
                    break
                await asyncio.sleep(0.1)
            assert deliveries.index_information().get("expiry", {}).get("expireAfterSeconds") == seconds


async def test_insight_keeps_what_it_learnt_as_its_own_user(
    mesh: RunningMesh, stub: ledger_pb2_grpc.LedgerServiceStub, open_database: Callable[[str], Database]
) -> None:
    """It learns over the wire, keeps vectors, judges labels, and writes to its own collections only."""
    database = open_database("insight")
    # What is recorded before it follows the feed for the first time is never learnt.
    for number in range(100, 300):
        await stub.Record(ledger_pb2.RecordRequest(items=[delivered(number)]), timeout=20)
        if database["profiles"].find_one() is not None and (kept := database["scores"].find_one()) is not None:
            break
        await asyncio.sleep(0.1)
    tx_id = kept["payments"][0].removeprefix("autopay:")
    async with grpc.aio.insecure_channel(mesh.addresses["insight"]) as channel:
        insight = insight_pb2_grpc.InsightServiceStub(channel)
        fraud = insight_pb2.RecordLabelRequest(
            source="autopay", tx_id=tx_id, label=insight_pb2.LABEL_FRAUD, label_source="analyst", author="ann"
        )
        assert (await insight.RecordLabel(fraud, timeout=20)).changed
    for _ in range(200):
        verdict = (database["labels"].find_one({"_id": f"autopay:{tx_id}"}) or {}).get("verdict")
        if verdict is not None:
            break
        await asyncio.sleep(0.1)
    assert verdict is not None
    assert verdict["after"]["fraud"]
    assert set(database["labels"].index_information()) == {"_id_", "expiry", "due", "verdicts"}
    # As docs/mongodb.md has it.
    assert database["labels"].delete_many({"$or": [{"sender": "alice"}, {"receiver": "alice"}]}).deleted_count == 1
    assert database["scores"].delete_many({"$or": [{"senders": "alice"}, {"receivers": "alice"}]}).deleted_count >= 1
    assert database["profiles"].delete_many({"_id": {"$regex": "^a:[a-z0-9_-]+:alice$"}}).deleted_count == 1
    assert [line for line in mesh.log_lines("insight") if "not authorized" in str(line)] == []


def test_a_mongodb_that_wants_tls_is_not_spoken_to_without(secure: SecureMongo) -> None:
    """Nothing is sent to it in the clear that it would take."""
    plain = secure.url("autopay-ledger", "ledger-password", tls=False)
    with MongoClient[dict[str, Any]](plain, serverSelectionTimeoutMS=1_500) as client, pytest.raises(PyMongoError):
        client["autopay"]["transactions"].find_one()


async def test_a_mongodb_with_another_authoritys_certificate_is_not_believed(
    secure: SecureMongo, tmp_path: Path
) -> None:
    """The ledger's own connection refuses before it says who it is."""
    other, _ = make_certificates(tmp_path)
    url = url_of(SecureMongo(port=secure.port, authority=other), "ledger")
    client = mongo.connect(url, pool_min=0, pool_max=1, budget_s=1.5)
    with pytest.raises(PyMongoError, match="certificate verify failed"):
        await mongo.check(client)
    client.close()
    client = mongo.connect(url_of(secure, "ledger"), pool_min=0, pool_max=1, budget_s=5)
    await mongo.check(client)
    client.close()
