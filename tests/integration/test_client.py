"""autopay_client on a real ledger: both clients, the same behaviour."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay_client import LedgerClient, LedgerError, decimal_of, event, item, money
from autopay_client.words import OUTCOME, STATUS

from autopay_cli.addresses import free_ports
from tests.clients import Either, either
from tests.ledgers import running_ledger

pytestmark = pytest.mark.parametrize("kind", ["blocking", "asyncio"])


def captured(number: int, **fields: Any) -> ledger_pb2.RecordItem:
    """An item with a capture of its own payment."""
    return item("orders", event(f"T-{number}", "captured", money(number + 1, "EUR"), **fields))


async def test_a_fact_is_recorded_once_and_read_back(mongo_url: str, kind: str) -> None:
    """Money comes back exact; the same fact again is a duplicate, and another content under its id a conflict."""
    async with running_ledger(mongo_url) as ledger, either(kind, ledger.target) as client:
        paid = event("T-1", "captured", money("42.50", "EUR"), event_id="e-1", sender="alice", receiver="shop")
        other = event("T-1", "captured", money("43.50", "EUR"), event_id="e-1", sender="alice", receiver="shop")
        outcomes = [await client.call("record", "orders", each) for each in (paid, paid, other)]
        first = await client.call("record", "orders", event("T-2", "failed"), delivery_id="d-1")
        again = await client.call("record", "orders", event("T-2", "failed"), delivery_id="d-1")
        payment = await client.call("get", "orders", "T-1", full=True)
    assert [OUTCOME.word(each.events[0].outcome) for each in outcomes] == ["created", "duplicate", "conflict"]
    assert OUTCOME.word(first.events[0].outcome) == OUTCOME.word(again.events[0].outcome) == "created"
    assert str(decimal_of(payment.amount)) == "42.50"
    assert STATUS.word(payment.status) == "success"
    assert [each.event.event_id for each in payment.events] == ["e-1"]


async def test_an_error_says_what_the_ledger_said(mongo_url: str, kind: str) -> None:
    """Code, reason, metadata and fields, of a call and of an item alike."""
    async with running_ledger(mongo_url) as ledger, either(kind, ledger.target) as client:
        with pytest.raises(LedgerError) as absent:
            await client.call("get", "orders", "T-1")
        with pytest.raises(LedgerError) as wrong:
            await client.call("get", "ORDERS", "T-1")
        with pytest.raises(LedgerError) as refused:
            await client.call("record", "orders", event("T-1", "captured"))
    assert (absent.value.code, absent.value.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert absent.value.metadata == {"source": "orders", "tx_id": "T-1"}
    assert [each.field for each in wrong.value.fields] == ["source"]
    assert refused.value.reason == "INVALID_FIELD"
    assert [each.field for each in refused.value.fields] == ["items[0].events[0].event.amount"]


async def test_many_items_are_recorded_in_batches_and_answered_in_order(mongo_url: str, kind: str) -> None:
    """A bad item fails alone, with its error in its place."""
    items = [captured(number) for number in range(700)]
    items[300].events[0].event.amount.currency = "XXX"
    async with running_ledger(mongo_url) as ledger, either(kind, ledger.target) as client:
        results = await client.collect("record_many", iter(items))
    assert [place for place, result in enumerate(results) if result.HasField("error")] == [300]
    tx_ids = [result.events[0].tx_id for result in results if result.events]
    assert tx_ids == [f"T-{number}" for number in range(700) if number != 300]


async def test_a_list_asks_for_page_after_page(mongo_url: str, kind: str) -> None:
    """Whatever the size of a page, each payment comes once; conditions narrow."""
    async with running_ledger(mongo_url) as ledger, either(kind, ledger.target) as client:
        await client.collect("record_many", [captured(number) for number in range(50)])
        every = await client.collect("list", page_size=7)
        some = await client.collect("list", currency="EUR", amount_min="10", amount_max="20", page_size=3)
        none = await client.collect("list", source="others")
        names = [("orders", f"T-{number}") for number in range(45, 55)]
        found = await client.call("batch_get", names)
    assert sorted(each.tx_id for each in every) == sorted(f"T-{number}" for number in range(50))
    assert sorted(int(decimal_of(each.amount)) for each in some) == list(range(10, 21))
    assert none == []
    assert sorted(found) == names[:5]


async def test_sums_are_exact(mongo_url: str, kind: str) -> None:
    """Counts and sums by group, of a range of time given as datetimes."""
    async with running_ledger(mongo_url) as ledger, either(kind, ledger.target) as client:
        await client.collect("record_many", [captured(number) for number in range(10)])
        now = datetime.now(UTC)
        answer = await client.call("summarize", now - timedelta(hours=1), now + timedelta(hours=1), by=["status"])
    (row,) = answer.rows
    assert (dict(row.key)["status"], row.count, str(decimal_of(row.amount))) == ("success", 10, "55.00")


async def test_a_watch_goes_on_across_a_restart_without_gap_or_repeat(mongo_url: str, kind: str) -> None:
    """The ledger stops and starts again; the watcher sees every (payment, version) once and notices nothing."""
    bind = f"127.0.0.1:{free_ports(1)[0]}"
    async with either(kind, bind) as client:
        async with running_ledger(mongo_url, bind=bind):
            watch = client.client.watch(heartbeat_s=1)
            await client.run(watch.ready)
            await client.collect("record_many", [captured(number) for number in range(100)])
            seen = await client.take(watch, 60)
        async with running_ledger(mongo_url, bind=bind):
            await client.collect("record_many", [captured(number) for number in range(100, 200)])
            seen += await client.take(watch, 140)
            kept = watch.resume_token
            await client.collect("record_many", [captured(200)])
            watch.close()
            later = await client.take(client.client.watch(resume_token=kept), 1)
    assert sorted((each.tx_id, each.version) for each in seen) == sorted((f"T-{number}", 1) for number in range(200))
    assert [each.tx_id for each in later] == ["T-200"]


async def test_a_call_survives_a_ledger_that_is_away_for_a_moment(mongo_url: str, kind: str) -> None:
    """Nobody listens at first; the call is answered once somebody does, within its deadline."""
    bind = f"127.0.0.1:{free_ports(1)[0]}"
    async with either(kind, bind, timeout_s=20) as client:
        call = asyncio.create_task(client.call("record", "orders", event("T-1", "failed")))
        await asyncio.sleep(0.5)
        assert not call.done()
        async with running_ledger(mongo_url, bind=bind):
            assert OUTCOME.word((await call).events[0].outcome) == "created"


async def test_a_ledger_that_stays_away_is_an_error_at_the_deadline(kind: str) -> None:
    """The caller gets its deadline, not gRPC's patience."""
    started = time.monotonic()
    async with either(kind, f"127.0.0.1:{free_ports(1)[0]}", timeout_s=0.8) as client:
        with pytest.raises(LedgerError) as away:
            await client.call("get", "orders", "T-1")
    assert away.value.retryable
    assert time.monotonic() - started < 2.5


async def test_a_watch_filters_and_ends(mongo_url: str, kind: str) -> None:
    """Only changes of the payments asked for; closing ends the iteration, for the blocking one from any thread."""
    async with running_ledger(mongo_url) as ledger, either(kind, ledger.target) as client:
        watch = await client.run(client.client.watch(currency="EUR", amount_min="3").ready)
        await client.collect("record_many", [captured(number) for number in range(4)])
        seen = await client.take(watch, 2)
        await _closed_while_waiting(client, watch)
    assert sorted(each.tx_id for each in seen) == ["T-2", "T-3"]


async def _closed_while_waiting(client: Either, watch: Any) -> None:
    if isinstance(client.client, LedgerClient):
        threading.Timer(0.2, watch.close).start()
        assert await asyncio.to_thread(list, watch) == []
    else:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.1)
        # Waiting for a while and giving up costs nothing: the next one is there.
        await client.call("record", "orders", event("T-9", "captured", money("9.00", "EUR")))
        assert (await anext(watch)).tx_id == "T-9"
        watch.close()
