"""What is read in full or decided is in the audit before it is answered; without an audit it is not answered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2

from mesh import callers
from mesh.callers import Caller
from mesh.errors import Fault, from_rpc_error
from services.ledger.auditing import Action, Auditor, Entry
from services.ledger.model import NotDurable
from tests.ledgers import RunningLedger, captured, recorded, running_ledger

FULL = ledger_pb2.TRANSACTION_VIEW_FULL
BASIC = ledger_pb2.TRANSACTION_VIEW_BASIC


@pytest.fixture
async def ledger(mongo_url: str) -> AsyncIterator[RunningLedger]:
    """A ledger that holds T-1."""
    async with running_ledger(mongo_url, analysis_policy="risky") as running:
        await running.record(captured("T-1"))
        yield running


def get(view: Any, tx_id: str = "T-1") -> ledger_pb2.GetTransactionRequest:
    """A request for a payment."""
    return ledger_pb2.GetTransactionRequest(source="autopay", tx_id=tx_id, view=view)


async def audit(ledger: RunningLedger) -> list[dict[str, Any]]:
    """Every entry, oldest first."""
    entries: list[dict[str, Any]] = await ledger.database["audit"].find().sort("_id").to_list(None)
    return entries


async def refuse_audit(ledger: RunningLedger) -> None:
    """From now on storage refuses what is written to the audit."""
    await ledger.database.command({"collMod": "audit", "validator": {"no": {"$exists": True}}})


async def test_a_full_view_is_audited_and_a_basic_one_is_not(ledger: RunningLedger) -> None:
    """Who, what and when; nobody has a name in plaintext."""
    started_ms = time.time_ns() // 1_000_000
    await ledger.stub.GetTransaction(get(BASIC), timeout=10)
    await ledger.stub.ListTransactions(ledger_pb2.ListTransactionsRequest(), timeout=10)
    assert await audit(ledger) == []
    await ledger.stub.GetTransaction(get(FULL), timeout=10)
    (entry,) = await audit(ledger)
    assert (entry["caller"], entry["action"], entry["subjects"]) == (
        "plaintext",
        "transaction.read_full",
        ["autopay:T-1"],
    )
    assert int(entry["at"]) >= started_ms


async def test_whom_a_caller_asks_for_is_in_the_audit(ledger: RunningLedger) -> None:
    """The name that the caller gives, and nothing that is no name."""
    request = get(FULL)
    request.reader = "key-7"
    await ledger.stub.GetTransaction(request, timeout=10)
    (entry,) = await audit(ledger)
    assert (entry["caller"], entry["details"]) == ("plaintext", {"reader": "key-7"})
    request.reader = "key.secret"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ledger.stub.GetTransaction(request, timeout=10)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(await audit(ledger)) == 1


async def test_what_is_not_there_was_not_seen(ledger: RunningLedger) -> None:
    """A view of no payment leaves no entry."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ledger.stub.GetTransaction(get(FULL, "T-2"), timeout=10)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert await audit(ledger) == []


async def test_without_an_audit_the_full_view_is_refused_and_the_basic_one_is_not(ledger: RunningLedger) -> None:
    """It fails closed: UNAVAILABLE, with nothing of the payment in the answer."""
    await refuse_audit(ledger)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ledger.stub.GetTransaction(get(FULL), timeout=10)
    fault = from_rpc_error(refused.value)
    assert (refused.value.code(), fault.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_DOWN")
    assert "audit" in fault.message
    answer = await ledger.stub.GetTransaction(get(BASIC), timeout=10)
    assert answer.transaction.tx_id == "T-1"


async def deliver_conflict(ledger: RunningLedger) -> str:
    """Record bytes that contradict T-1 and return the delivery's id."""
    event = captured("T-9")
    await ledger.record(event)
    item = recorded(captured("T-9", 7, event_id=event.event_id))
    item.delivery.source = "autopay"
    item.delivery.body = b"contradicts"
    await ledger.stub.Record(ledger_pb2.RecordRequest(items=[item]), timeout=10)
    (delivery,) = (await ledger.stub.ListDeliveries(ledger_pb2.ListDeliveriesRequest(), timeout=10)).deliveries
    return str(delivery.id)


async def test_bytes_that_are_shown_are_audited(ledger: RunningLedger) -> None:
    """A list without bytes is not; one with bytes names each delivery."""
    key = await deliver_conflict(ledger)
    assert await audit(ledger) == []
    await ledger.stub.ListDeliveries(ledger_pb2.ListDeliveriesRequest(with_body=True), timeout=10)
    (entry,) = await audit(ledger)
    assert (entry["action"], entry["subjects"]) == ("delivery.read_body", [key])
    await refuse_audit(ledger)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ledger.stub.ListDeliveries(ledger_pb2.ListDeliveriesRequest(id=key, with_body=True), timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_resolutions_and_erasures_are_audited_with_who_decided_and_why(ledger: RunningLedger) -> None:
    """The caller is the program, the author the person."""
    key = await deliver_conflict(ledger)
    dismissal = ledger_pb2.ResolveDeliveryRequest(
        id=key, resolution=ledger_pb2.RESOLUTION_DISMISS, author="ann", note="typo"
    )
    await ledger.stub.ResolveDelivery(dismissal, timeout=10)
    erasure = ledger_pb2.EraseDeliveriesRequest(account="alice", author="dpo", note="request 17")
    await ledger.stub.EraseDeliveries(erasure, timeout=10)
    resolved, erased = await audit(ledger)
    assert (resolved["action"], resolved["subjects"]) == ("delivery.resolve", [key])
    assert resolved["details"] == {"resolution": "dismiss", "author": "ann", "note": "typo"}
    assert (erased["action"], sorted(erased["subjects"])) == ("delivery.erase", ["autopay:T-1", "autopay:T-9"])
    assert erased["details"] == {"account": "alice", "author": "dpo", "note": "request 17"}


async def test_what_is_handed_out_to_workers_is_audited(ledger: RunningLedger) -> None:
    """Payments in full for an analysis, and bytes to be run through ingest again, each with the worker's name."""
    await ledger.record(captured("T-7"), risk=4)
    tasks = ledger_pb2.LeaseAnalysesRequest(worker="insight-1", tasks_max=5, lease_ms=5_000)
    (task,) = (await ledger.stub.LeaseAnalyses(tasks, timeout=10)).tasks
    item = recorded(captured("unused"))
    del item.events[:]
    item.delivery.source, item.delivery.body, item.disposition = "autopay", b"later", ledger_pb2.DISPOSITION_WAITING
    await ledger.stub.Record(ledger_pb2.RecordRequest(items=[item]), timeout=10)
    waiting = ledger_pb2.LeaseDeliveriesRequest(worker="ingest-1", deliveries_max=5, lease_ms=5_000)
    (delivery,) = (await ledger.stub.LeaseDeliveries(waiting, timeout=10)).deliveries
    analysed, handed = await audit(ledger)
    assert (analysed["action"], analysed["subjects"]) == (
        "transaction.read_full",
        [f"autopay:{task.transaction.tx_id}"],
    )
    assert (handed["action"], handed["subjects"]) == ("delivery.read_body", [delivery.id])
    assert [entry["details"]["worker"] for entry in (analysed, handed)] == ["insight-1", "ingest-1"]


async def test_without_an_audit_nothing_is_resolved_or_erased(ledger: RunningLedger) -> None:
    """What can't be written down is not done."""
    key = await deliver_conflict(ledger)
    await refuse_audit(ledger)
    dismissal = ledger_pb2.ResolveDeliveryRequest(
        id=key, resolution=ledger_pb2.RESOLUTION_DISMISS, author="ann", note="typo"
    )
    erasure = ledger_pb2.EraseDeliveriesRequest(account="alice", author="dpo", note="request 17")
    for call in (ledger.stub.ResolveDelivery(dismissal, timeout=10), ledger.stub.EraseDeliveries(erasure, timeout=10)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    left = await ledger.database["deliveries"].find_one({"_id": key})
    assert (left["disposition"], left["body"]) == ("conflict", b"contradicts")


@dataclass
class Trail:
    """An audit in memory, which can be away."""

    entries: list[Entry]
    away: bool = False

    async def append(self, entry: Entry) -> None:
        """Keep an entry."""
        if self.away:
            raise NotDurable("away")
        self.entries.append(entry)


async def test_a_caller_with_a_certificate_is_named() -> None:
    """Under mutual TLS the entry holds the SPIFFE id of who called."""
    trail = Trail(entries=[])
    auditor = Auditor(trail, clock_ms=lambda: 5)
    token = callers._current.set(Caller(name="spiffe://tests/sa/cli", writes=frozenset({"*"})))
    try:
        await auditor.note(Action.READ_TRANSACTION, ["autopay:T-1"])
        trail.away = True
        with pytest.raises(Fault, match="audit can't be written"):
            await auditor.note(Action.READ_TRANSACTION, ["autopay:T-2"])
    finally:
        callers._current.reset(token)
    (entry,) = trail.entries
    assert (entry.caller, entry.subjects, entry.at_ms) == ("spiffe://tests/sa/cli", ("autopay:T-1",), 5)
