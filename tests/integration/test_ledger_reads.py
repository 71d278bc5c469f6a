"""Reading payments through the real ledger: one, many, page by page."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2, risk_pb2

from mesh.errors import from_rpc_error
from tests.ledgers import TIMEOUT_S, RunningLedger, captured, refunded, running_ledger


async def get(ledger: RunningLedger, tx_id: str, **fields: Any) -> ledger_pb2.Transaction:
    """Read one payment of source `autopay` unless said otherwise."""
    request = ledger_pb2.GetTransactionRequest(tx_id=tx_id, **{"source": "autopay", **fields})
    answer: ledger_pb2.GetTransactionResponse = await ledger.stub.GetTransaction(request, timeout=TIMEOUT_S)
    return answer.transaction


async def pages(ledger: RunningLedger, **fields: Any) -> list[list[str]]:
    """The ids of every page of a list."""
    token, found = "", []
    while True:
        request = ledger_pb2.ListTransactionsRequest(page_token=token, **fields)
        answer = await ledger.stub.ListTransactions(request, timeout=TIMEOUT_S)
        found.append([row.tx_id for row in answer.transactions])
        token = answer.next_page_token
        if not token:
            return found


async def backdate(ledger: RunningLedger, by_ms: int = 10_000) -> None:
    """Make every payment older: pages of the oldest stop short of now."""
    await ledger.database["transactions"].update_many(
        {}, [{"$set": {"recorded_at": {"$subtract": ["$recorded_at", by_ms]}}}]
    )


async def test_one_payment_is_read_with_or_without_its_events(mongo_url: str) -> None:
    """BASIC tells where a payment stands; FULL adds events in the order of the fold, and the description."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(captured("T-1", 5_000, description="tea", event_id="e-1", event_time_ms=2), risk=2)
        await ledger.record(refunded("T-1", 2_000, event_id="r-1", event_time_ms=9))
        await ledger.record(refunded("T-1", 1_000, event_id="r-0", event_time_ms=1))
        basic = await get(ledger, "T-1")
        full = await get(ledger, "T-1", view=ledger_pb2.TRANSACTION_VIEW_FULL)
    assert (basic.version, basic.event_count) == (3, 3)
    assert basic.status == payment_pb2.PAYMENT_STATUS_PARTIALLY_REFUNDED
    assert (basic.amount.minor_units, basic.amount.currency, basic.amount.exponent) == (5_000, "EUR", 2)
    assert (basic.totals.captured, basic.totals.refunded) == (5_000, 3_000)
    assert (basic.sender_account, basic.receiver_account) == ("alice", "shop")
    assert basic.risk.level == risk_pb2.RISK_LEVEL_MEDIUM
    assert (len(basic.events), basic.description) == (0, "")
    assert [stored.event.event_id for stored in full.events] == ["r-0", "e-1", "r-1"]
    assert full.events[1].outcome == ledger_pb2.OUTCOME_CREATED
    assert full.events[1].event.description == full.description == "tea"
    full.ClearField("events")
    full.ClearField("description")
    assert full == basic


async def test_an_absent_payment_is_not_found(mongo_url: str) -> None:
    """NOT_FOUND names what was asked for; the same id of another source is another payment."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(captured("T-1"), source="partner")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await get(ledger, "T-1")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert from_rpc_error(refused.value).metadata["tx_id"] == "T-1"


async def test_a_long_poll_returns_when_the_version_is_there(mongo_url: str) -> None:
    """With `min_version` the answer comes when the payment has got there, or as it is when the time is over."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(captured("T-1"))
        assert (await get(ledger, "T-1", min_version=1, wait_ms=10_000)).version == 1
        assert (await get(ledger, "T-1", min_version=2, wait_ms=200)).version == 1
        waiting = asyncio.create_task(get(ledger, "T-1", min_version=2, wait_ms=10_000))
        new = asyncio.create_task(get(ledger, "T-2", min_version=1, wait_ms=10_000))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        loop = asyncio.get_running_loop()
        started = loop.time()
        await ledger.record(refunded("T-1", 10), captured("T-2"))
        assert (await waiting).version == 2
        assert (await new).tx_id == "T-2"
        assert loop.time() - started < 2


async def test_many_are_read_by_name(mongo_url: str) -> None:
    """Present ones come once, absent ones are left out."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(*[captured(f"T-{number}") for number in range(500)])
        names = [ledger_pb2.TransactionName(source="autopay", tx_id=f"T-{number}") for number in range(999)]
        request = ledger_pb2.BatchGetTransactionsRequest(names=[*names, names[0]])
        answer = await ledger.stub.BatchGetTransactions(request, timeout=TIMEOUT_S)
    assert sorted(row.tx_id for row in answer.transactions) == sorted(f"T-{number}" for number in range(500))


@pytest.mark.parametrize("ascending", [True, False])
async def test_pages_give_each_row_once_under_concurrent_inserts(mongo_url: str, ascending: bool) -> None:
    """While others record, every payment that was there comes exactly once, in order."""
    async with running_ledger(mongo_url) as ledger:
        # Rows of the same millisecond are told apart by id.
        await ledger.record(*[captured(f"T-{number:03}") for number in range(250)])
        await backdate(ledger)
        stop = asyncio.Event()

        async def insert() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                await ledger.record(captured(f"new-{number}"))

        inserting = asyncio.create_task(insert())
        found = await pages(ledger, ascending=ascending, page_size=7)
        stop.set()
        await inserting
    ids = [tx_id for page in found for tx_id in page]
    assert len(ids) == len(set(ids))
    old = [tx_id for tx_id in ids if tx_id.startswith("T-")]
    assert len(old) == 250
    if ascending:
        # What was recorded in the last seconds may still be joined by an older one of another replica.
        assert old == ids


async def test_each_selector_finds_its_own(mongo_url: str) -> None:
    """Source, account on any side, status, currency and risk level each select exactly their payments."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(captured("a"), source="partner")
        await ledger.record(captured("b", sender_account="bob", receiver_account="alice"))
        await ledger.record(captured("c", sender_account="carol", receiver_account="bob"), risk=4)
        await ledger.record(captured("d", currency="JPY"), refunded("d", 1, "JPY"))
        selectors: list[tuple[dict[str, Any], str]] = [
            ({}, "dcba"),
            ({"source": "partner"}, "a"),
            ({"account": {"account": "bob"}}, "cb"),
            ({"account": {"account": "bob", "role": ledger_pb2.ACCOUNT_ROLE_SENDER}}, "b"),
            ({"account": {"account": "bob", "role": ledger_pb2.ACCOUNT_ROLE_RECEIVER}}, "c"),
            ({"account": {"account": "alice", "role": ledger_pb2.ACCOUNT_ROLE_EITHER}}, "dba"),
            ({"status": payment_pb2.PAYMENT_STATUS_PARTIALLY_REFUNDED}, "d"),
            ({"currency": "JPY"}, "d"),
            ({"risk_level": risk_pb2.RISK_LEVEL_CRITICAL}, "c"),
            ({"account": {"account": "nobody"}}, ""),
        ]
        for selector, expected in selectors:
            for page_size in (1, 2, 50):
                found = await pages(ledger, selector=selector, page_size=page_size)
                assert "".join("".join(page) for page in found) == expected, selector
        await backdate(ledger)
        oldest_first = await pages(ledger, selector={"account": {"account": "alice"}}, ascending=True, page_size=1)
    assert oldest_first == [["a"], ["b"], ["d"]]


async def test_a_range_of_time_is_half_open(mongo_url: str) -> None:
    """`recorded_since_ms` is inclusive, `recorded_until_ms` is not; both hold on every page."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(*[captured(f"{number}") for number in range(10)])
        for number in range(10):
            await ledger.database["transactions"].update_one(
                {"tx_id": f"{number}"}, [{"$set": {"recorded_at": {"$toDate": {"$toLong": 1_000 + number}}}}]
            )
        found = await pages(ledger, recorded_since_ms=1_003, recorded_until_ms=1_007, page_size=3)
        rising = await pages(ledger, recorded_since_ms=1_003, recorded_until_ms=1_007, page_size=3, ascending=True)
    assert found == [["6", "5", "4"], ["3"]]
    assert rising == [["3", "4", "5"], ["6"]]


async def test_a_filter_scans_within_bounds(mongo_url: str) -> None:
    """A filter that few payments pass gives short pages with a next one, and misses none."""
    async with running_ledger(mongo_url) as ledger:
        events = [captured(f"T-{number}", 1_000 + number) for number in range(1_000)]
        await ledger.record(*events)
        found = await pages(ledger, filter={"currency": "EUR", "amount_min": 1_100, "amount_max": 1_102}, page_size=2)
    assert sorted(tx_id for page in found for tx_id in page) == ["T-100", "T-101", "T-102"]
    assert all(len(page) <= 2 for page in found)
    # 10 rows per row asked for and 100 more are looked at for one page.
    assert len(found) >= 8


async def test_a_list_walks_an_index(mongo_url: str) -> None:
    """No page is sorted in memory, and the last page costs what the first one does."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(*[captured(f"T-{number}", sender_account=f"s-{number % 3}") for number in range(2_000)])
        database = ledger.database
        await database.command({"profile": 2})
        found = await pages(ledger, selector={"account": {"account": "s-1"}}, page_size=50)
        await database.command({"profile": 0})
        profile = await database["system.profile"].find({"op": "query", "command.find": "transactions"}).to_list(None)
    assert sum(map(len, found)) == 667
    assert len(profile) >= 28
    for walk in profile:
        assert not walk.get("hasSortStage")
        assert walk["docsExamined"] <= 51
        assert walk["keysExamined"] <= 52


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("Get", {"source": "", "tx_id": "T"}, "source"),
        ("Get", {"source": "A", "tx_id": "T"}, "source"),
        ("Get", {"source": "a", "tx_id": ""}, "tx_id"),
        ("Get", {"source": "a", "tx_id": "x" * 101}, "tx_id"),
        ("Get", {"source": "a", "tx_id": "a\0b"}, "tx_id"),
        ("Get", {"source": "a", "tx_id": "T", "view": 9}, "view"),
        ("Get", {"source": "a", "tx_id": "T", "min_version": -1}, "min_version"),
        ("Get", {"source": "a", "tx_id": "T", "min_version": 1, "wait_ms": 10_001}, "wait_ms"),
        ("BatchGet", {}, "names"),
        ("BatchGet", {"names": [{"source": "a", "tx_id": "T"}, {"source": "a"}]}, "names[1].tx_id"),
        ("List", {"page_size": -1}, "page_size"),
        ("List", {"page_size": 1_001}, "page_size"),
        ("List", {"recorded_since_ms": -1}, "recorded_since_ms"),
        ("List", {"recorded_until_ms": 2**62}, "recorded_until_ms"),
        ("List", {"recorded_since_ms": 5, "recorded_until_ms": 5}, "recorded_until_ms"),
        ("List", {"page_token": "x"}, "page_token"),
        ("List", {"selector": {"source": ""}}, "selector.source"),
        ("List", {"selector": {"currency": "EURO"}}, "selector.currency"),
        ("List", {"selector": {"currency": "XAU"}}, "selector.currency"),
        ("List", {"selector": {"account": {"account": "a b"}}}, "selector.account.account"),
        ("List", {"selector": {"account": {"account": "a", "role": 7}}}, "selector.account.role"),
        ("List", {"selector": {"status": 0}}, "selector.status"),
        ("List", {"selector": {"status": 77}}, "selector.status"),
        ("List", {"selector": {"risk_level": 5}}, "selector.risk_level"),
        ("List", {"filter": {"amount_min": -1}}, "filter.amount_min"),
    ],
)
async def test_a_wrong_field_is_named(mongo_url: str, method: str, fields: dict[str, Any], field: str) -> None:
    """A request that makes no sense is INVALID_ARGUMENT and names its field."""
    suffix = {"Get": "Transaction", "BatchGet": "Transactions", "List": "Transactions"}[method]
    request = getattr(ledger_pb2, f"{method}{suffix}Request")(**fields)
    async with running_ledger(mongo_url) as ledger:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await getattr(ledger.stub, f"{method}{suffix}")(request, timeout=TIMEOUT_S)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [wrong.field for wrong in from_rpc_error(refused.value).fields] == [field]


async def test_too_many_names_are_refused(mongo_url: str) -> None:
    """The 1,001st name is one too many, and the answer says what the limit is."""
    name = ledger_pb2.TransactionName(source="a", tx_id="T")
    async with running_ledger(mongo_url) as ledger:
        request = ledger_pb2.BatchGetTransactionsRequest(names=[name] * 1_001)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ledger.stub.BatchGetTransactions(request, timeout=TIMEOUT_S)
    assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
    assert from_rpc_error(refused.value).metadata["limit"] == "1000"
