"""The queue of analyses over gRPC and on a real replica set, timed by the server's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2

from mesh.channel import call
from mesh.errors import Fault, Kind
from tests.ledgers import TIMEOUT_S, RunningLedger, captured, first_changes, refunded, running_ledger

pytestmark = pytest.mark.timeout(90)

QUEUED, LEASED = ledger_pb2.ANALYSIS_STATE_QUEUED, ledger_pb2.ANALYSIS_STATE_LEASED
DONE, PARKED = ledger_pb2.ANALYSIS_STATE_DONE, ledger_pb2.ANALYSIS_STATE_PARKED
ANALYSIS = ledger_pb2.Analysis(
    summary="Ordinary.",
    category="retail",
    anomaly_assessment="$none",
    recommended_action="none",
    confidence=0.75,
    model_version="m-1",
)


async def lease(ledger: RunningLedger, **fields: Any) -> Sequence[ledger_pb2.AnalysisTask]:
    """Lease tasks."""
    request = ledger_pb2.LeaseAnalysesRequest(**{"worker": "$tests", "tasks_max": 10, "lease_ms": 5_000, **fields})
    response: ledger_pb2.LeaseAnalysesResponse = await call(ledger.stub.LeaseAnalyses, request, timeout_s=TIMEOUT_S)
    return response.tasks


async def complete(ledger: RunningLedger, task: ledger_pb2.AnalysisTask, failure: str = "", token: str = "") -> int:
    """Complete a task, with an analysis unless a failure is given, and return where it stands then."""
    name = ledger_pb2.TransactionName(source=task.transaction.source, tx_id=task.transaction.tx_id)
    request = ledger_pb2.CompleteAnalysisRequest(name=name, lease_token=token or task.lease_token)
    if failure:
        request.failure = failure
    else:
        request.analysis.CopyFrom(ANALYSIS)
    response: ledger_pb2.CompleteAnalysisResponse = await call(
        ledger.stub.CompleteAnalysis, request, timeout_s=TIMEOUT_S
    )
    return response.state


async def full(ledger: RunningLedger, tx_id: str) -> ledger_pb2.Transaction:
    """A payment in full."""
    request = ledger_pb2.GetTransactionRequest(source="autopay", tx_id=tx_id, view=ledger_pb2.TRANSACTION_VIEW_FULL)
    response: ledger_pb2.GetTransactionResponse = await call(ledger.stub.GetTransaction, request, timeout_s=TIMEOUT_S)
    return response.transaction


async def let_pass(ledger: RunningLedger, tx_id: str, minutes: int = 30) -> None:
    """Move what the queue waits for into the past, as if so long had passed on the server."""
    earlier = {"$dateSubtract": {"startDate": "$analysis.due", "unit": "minute", "amount": minutes}}
    result = await ledger.database["transactions"].update_one(
        {"_id": f"autopay:{tx_id}", "analysis.due": {"$exists": True}}, [{"$set": {"analysis.due": earlier}}]
    )
    assert result.matched_count == 1


async def test_a_task_is_leased_once_and_its_analysis_is_the_payments(mongo_url: str) -> None:
    """A queued payment goes to one worker, in full; its analysis is stored and shown; completing again is harmless."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        await ledger.record(captured("T-1", description="tea"))
        assert (await full(ledger, "T-1")).analysis_state == QUEUED
        [task] = await lease(ledger)
        assert (task.attempt, task.transaction.description, len(task.transaction.events)) == (1, "tea", 1)
        assert task.lease_until_ms > 0
        assert not await lease(ledger)
        assert (await full(ledger, "T-1")).analysis_state == LEASED
        for _ in range(2):
            assert await complete(ledger, task) == DONE
        payment = await full(ledger, "T-1")
        assert (payment.analysis_state, payment.version) == (DONE, 1)
        assert payment.analysis == ANALYSIS
        basic = await ledger.stub.ListTransactions(ledger_pb2.ListTransactionsRequest(), timeout=TIMEOUT_S)
        assert basic.transactions[0].analysis_state == DONE
        assert not basic.transactions[0].HasField("analysis")
        await ledger.record(refunded("T-1", 1))
        assert (await full(ledger, "T-1")).analysis == ANALYSIS
        assert not await lease(ledger)


async def test_what_the_policy_did_not_select_is_not_queued(mongo_url: str) -> None:
    """Of payments of every risk only the risky ones come out of the queue."""
    async with running_ledger(mongo_url, analysis_policy="risky") as ledger:
        for level in range(5):
            await ledger.record(captured(f"T-{level}"), risk=level)
        assert {task.transaction.tx_id for task in await lease(ledger)} == {"T-3", "T-4"}
        assert (await full(ledger, "T-1")).analysis_state == ledger_pb2.ANALYSIS_STATE_NONE


async def test_workers_share_the_queue(mongo_url: str) -> None:
    """Workers that ask at once get each payment once, the longest waiting first."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        await ledger.record(*(captured(f"T-{number}") for number in range(100)))
        taken = await asyncio.gather(*(lease(ledger, tasks_max=8) for _ in range(10)))
        names = [task.transaction.tx_id for tasks in taken for task in tasks]
        while tasks := await lease(ledger, tasks_max=50):
            names += [task.transaction.tx_id for task in tasks]
        assert sorted(names) == sorted(f"T-{number}" for number in range(100))
        tokens = {task.lease_token for tasks in taken for task in tasks}
        assert len(tokens) == sum(1 for tasks in taken if tasks)


async def test_a_worker_waits_for_work(mongo_url: str) -> None:
    """A long poll returns as soon as something is queued, and empty once its time is over."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert not await lease(ledger, wait_ms=600)
        assert 0.5 <= loop.time() - started < 3
        waiting = asyncio.create_task(lease(ledger, wait_ms=10_000))
        await asyncio.sleep(0.4)
        await ledger.record(captured("T-1"))
        assert [task.transaction.tx_id for task in await asyncio.wait_for(waiting, 3)] == ["T-1"]


async def test_a_lost_lease_is_refused(mongo_url: str) -> None:
    """Once the time ran out and another worker has the task, the first one's analysis is ABORTED with LEASE_LOST."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        await ledger.record(captured("T-1"))
        [first] = await lease(ledger)
        await let_pass(ledger, "T-1")
        [second] = await lease(ledger)
        assert (second.attempt, second.lease_token != first.lease_token) == (2, True)
        with pytest.raises(Fault) as refused:
            await complete(ledger, first)
        assert (refused.value.kind, refused.value.reason) == (Kind.LOST_RACE, "LEASE_LOST")
        assert await complete(ledger, second) == DONE
        with pytest.raises(Fault) as refused:
            await complete(ledger, first, token="0" * 32)
        assert refused.value.reason == "LEASE_LOST"


async def test_a_late_answer_that_nobody_else_works_on_is_taken(mongo_url: str) -> None:
    """A lease that ran out is still its worker's until another one has the task."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        await ledger.record(captured("T-1"))
        [task] = await lease(ledger)
        await let_pass(ledger, "T-1")
        assert await complete(ledger, task) == DONE


@pytest.mark.parametrize("crashing", [False, True], ids=["failing", "crashing"])
async def test_after_five_attempts_a_task_is_parked_with_its_last_error(mongo_url: str, crashing: bool) -> None:
    """Failures, or workers that vanish, put a task back five times, later each time; then it is parked, saying why."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        await ledger.record(captured("T-1"))
        for attempt in range(1, 6):
            [task] = await lease(ledger)
            assert task.attempt == attempt
            if not crashing:
                for _ in range(2):
                    expected = PARKED if attempt == 5 else QUEUED
                    assert await complete(ledger, task, failure=f"quota, the {attempt}.") == expected
                if attempt == 5:
                    break
            assert not await lease(ledger)
            await let_pass(ledger, "T-1")
        assert not await lease(ledger)
        payment = await full(ledger, "T-1")
        expected_error = "the lease of the last attempt ran out" if crashing else "quota, the 5."
        assert (payment.analysis_state, payment.analysis_error) == (PARKED, expected_error)
        assert payment.version == 1
        document = await ledger.database["transactions"].find_one({})
        assert "due" not in document["analysis"]


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
