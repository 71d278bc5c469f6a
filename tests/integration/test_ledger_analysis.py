"""The queue of analyses over gRPC and on a real replica set, timed by the server's clock."""

from __future__ import annotations

import asyncio

import pytest
from autopay.ledger.v1 import ledger_pb2

from mesh.errors import Fault, Kind
from tests.analysis_calls import ANALYSIS, DONE, LEASED, PARKED, QUEUED, complete, full, lease, let_pass
from tests.ledgers import TIMEOUT_S, captured, refunded, running_ledger

pytestmark = pytest.mark.timeout(90)


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
