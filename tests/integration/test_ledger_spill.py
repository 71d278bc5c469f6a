"""A payment of hundreds of events, over gRPC and on a real replica set."""

from __future__ import annotations

import pytest
from autopay.ledger.v1 import ledger_pb2

from tests.ledgers import TIMEOUT_S, captured, first_changes, recorded, refunded, running_ledger

pytestmark = pytest.mark.timeout(90)


async def test_hundreds_of_refunds_are_recorded_read_and_watched_once(mongo_url: str) -> None:
    """450 refunds of one payment: exact totals, all of them read back, each change watched once with its events."""
    async with running_ledger(mongo_url) as ledger:
        stream = ledger.stub.WatchTransactions(ledger_pb2.WatchTransactionsRequest(), timeout=TIMEOUT_S)
        await stream.read()
        await ledger.record(captured("T-1", 100_000))
        refunds = [refunded("T-1", 10 + number, event_id=f"r-{number}") for number in range(450)]
        versions = []
        for start in range(0, 450, 30):
            request = ledger_pb2.RecordRequest(items=[recorded(each) for each in refunds[start : start + 30]])
            answer = await ledger.stub.Record(request, timeout=TIMEOUT_S)
            assert {result.events[0].outcome for result in answer.results} == {ledger_pb2.OUTCOME_UPDATED}
            versions.append(answer.results[-1].events[0].version)
        again = ledger_pb2.RecordRequest(items=[recorded(each) for each in refunds[:100]])
        answer = await ledger.stub.Record(again, timeout=TIMEOUT_S)
        assert {result.events[0].outcome for result in answer.results} == {ledger_pb2.OUTCOME_DUPLICATE}
        changes, _ = await first_changes(stream, 1 + len(versions))
        stream.cancel()
        full = await ledger.stub.GetTransaction(
            ledger_pb2.GetTransactionRequest(source="autopay", tx_id="T-1", view=ledger_pb2.TRANSACTION_VIEW_FULL),
            timeout=TIMEOUT_S,
        )
        basic = await ledger.stub.ListTransactions(ledger_pb2.ListTransactionsRequest(), timeout=TIMEOUT_S)
        document = await ledger.database["transactions"].find_one({})
        beside = await ledger.database["events_overflow"].count_documents({})
    assert [change.version for change in changes] == [1, *versions]
    watched = [event.event_id for change in changes for event in change.events]
    assert len(watched) == len(set(watched)) == 451
    total = sum(10 + number for number in range(450))
    transaction = full.transaction
    assert (transaction.totals.refunded, transaction.version, transaction.event_count) == (total, 451, 451)
    assert len({each.event.event_id for each in transaction.events}) == len(transaction.events) == 451
    assert basic.transactions[0].event_count == 451
    assert len(document["events"]) + document["spilled"]["count"] == 451
    assert len(document["events"]) <= 200
    assert beside == document["spilled"]["count"]
