"""What readers and watchers see of the queue of analyses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2

from mesh.channel import call
from mesh.errors import Fault, Kind
from tests.analysis_calls import ANALYSIS, DONE, LEASED, PARKED, QUEUED, complete, lease, let_pass
from tests.ledgers import TIMEOUT_S, captured, first_changes, refunded, running_ledger

pytestmark = pytest.mark.timeout(90)


async def test_a_reader_waits_for_the_analysis(mongo_url: str) -> None:
    """A payment is returned once its analysis is done, at once where none is to come, and in time where it is late."""
    async with running_ledger(mongo_url, analysis_policy="risky") as ledger:
        await ledger.record(captured("T-1"), risk=4)
        await ledger.record(captured("T-2"), risk=1)

        async def read(tx_id: str, wait_ms: int) -> ledger_pb2.Transaction:
            request = ledger_pb2.GetTransactionRequest(
                source="autopay",
                tx_id=tx_id,
                view=ledger_pb2.TRANSACTION_VIEW_FULL,
                wait_ms=wait_ms,
                wait_for_analysis=True,
            )
            response: ledger_pb2.GetTransactionResponse = await call(
                ledger.stub.GetTransaction, request, timeout_s=TIMEOUT_S
            )
            return response.transaction

        assert (await read("T-1", 300)).analysis_state == QUEUED
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert (await read("T-2", 9_000)).analysis_state == ledger_pb2.ANALYSIS_STATE_NONE
        assert loop.time() - started < 3
        waiting = asyncio.create_task(read("T-1", 9_000))
        [task] = await lease(ledger)
        await asyncio.sleep(0.3)
        await complete(ledger, task)
        assert (await asyncio.wait_for(waiting, 3)).analysis == ANALYSIS


async def test_payments_are_listed_by_where_their_analysis_stands(mongo_url: str) -> None:
    """The selector finds what is queued, leased, done and parked; what was never queued can't be selected."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        await ledger.record(*(captured(f"T-{number}") for number in range(6)))
        tasks = await lease(ledger, tasks_max=3)
        await complete(ledger, tasks[0])

        async def listed(state: Any) -> list[str]:
            request = ledger_pb2.ListTransactionsRequest(selector={"analysis_state": state})
            response: ledger_pb2.ListTransactionsResponse = await call(
                ledger.stub.ListTransactions, request, timeout_s=TIMEOUT_S
            )
            assert {each.analysis_state for each in response.transactions} <= {state}
            return sorted(each.tx_id for each in response.transactions)

        assert await listed(DONE) == [tasks[0].transaction.tx_id]
        assert await listed(LEASED) == sorted(task.transaction.tx_id for task in tasks[1:])
        assert len(await listed(QUEUED)) == 3
        assert await listed(PARKED) == []
        for state in (ledger_pb2.ANALYSIS_STATE_NONE, 99):
            with pytest.raises(Fault) as refused:
                await listed(state)
            assert [wrong.field for wrong in refused.value.fields] == ["selector.analysis_state"]


async def test_the_queue_never_shows_in_a_watch(mongo_url: str) -> None:
    """Leases, failures and analyses are no changes of a payment; a later event of it is, with its own version."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        stream = ledger.stub.WatchTransactions(ledger_pb2.WatchTransactionsRequest(), timeout=TIMEOUT_S)
        await stream.read()
        await ledger.record(captured("T-1"))
        [task] = await lease(ledger)
        await complete(ledger, task, failure="busy")
        await let_pass(ledger, "T-1")
        [task] = await lease(ledger)
        await ledger.record(refunded("T-1", 1))
        await complete(ledger, task)
        await ledger.record(captured("T-2"))
        changes, _ = await first_changes(stream, 3)
        stream.cancel()
    assert [(change.tx_id, change.version) for change in changes] == [("T-1", 1), ("T-1", 2), ("T-2", 1)]


NAME = ledger_pb2.TransactionName(source="autopay", tx_id="T-1")
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("LeaseAnalyses", {"worker": " ", "tasks_max": 1, "lease_ms": 5_000}, "worker"),
    ("LeaseAnalyses", {"worker": "w", "tasks_max": 51, "lease_ms": 5_000}, "tasks_max"),
    ("LeaseAnalyses", {"worker": "w", "tasks_max": 1, "lease_ms": 300_001}, "lease_ms"),
    ("LeaseAnalyses", {"worker": "w", "tasks_max": 1, "lease_ms": 5_000, "wait_ms": -1}, "wait_ms"),
    ("CompleteAnalysis", {"lease_token": "0" * 32, "failure": "x"}, "name.source"),
    ("CompleteAnalysis", {"name": NAME, "lease_token": "$$NOW", "failure": "x"}, "lease_token"),
    ("CompleteAnalysis", {"name": NAME, "lease_token": "0" * 32}, "result"),
    ("CompleteAnalysis", {"name": NAME, "lease_token": "0" * 32, "failure": "x" * 501}, "failure"),
    (
        "CompleteAnalysis",
        {"name": NAME, "lease_token": "0" * 32, "analysis": ledger_pb2.Analysis(summary="s", confidence=float("nan"))},
        "analysis.confidence",
    ),
    (
        "CompleteAnalysis",
        {"name": NAME, "lease_token": "0" * 32, "analysis": ledger_pb2.Analysis()},
        "analysis.summary",
    ),
]


async def test_a_wrong_field_is_named(mongo_url: str) -> None:
    """Each wrong field of these requests is INVALID, by its name."""
    async with running_ledger(mongo_url) as ledger:
        for method, fields, named in WRONG:
            request = getattr(ledger_pb2, f"{method}Request")(**fields)
            with pytest.raises(Fault) as refused:
                await call(getattr(ledger.stub, method), request, timeout_s=TIMEOUT_S)
            assert refused.value.kind is Kind.INVALID, (method, fields)
            assert [wrong.field for wrong in refused.value.fields] == [named]
