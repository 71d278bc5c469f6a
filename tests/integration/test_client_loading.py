"""Bulk loads over one stream, on a real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay_client import AsyncLedgerClient, LedgerError, event, item, money
from autopay_client.words import OUTCOME

from autopay_cli.addresses import free_ports
from tests.ledgers import running_ledger


def captured(count: int) -> Iterator[ledger_pb2.RecordItem]:
    """Items with a capture of its own payment each."""
    for number in range(count):
        yield item("orders", event(f"T-{number}", "captured", money(number + 1, "EUR")))


def tx_ids(results: list[ledger_pb2.RecordResult]) -> list[str]:
    """The payments of results that are durable."""
    return [result.events[0].tx_id for result in results if not result.HasField("error")]


async def test_results_come_in_order_and_a_bad_item_fails_alone(mongo_url: str) -> None:
    """3,000 items in batches over one stream; the error stands in its item's place."""
    items = list(captured(3_000))
    items[1_000].events[0].event.amount.currency = "XXX"
    async with running_ledger(mongo_url) as ledger, AsyncLedgerClient(ledger.target) as client:
        results = [result async for result in client.record_stream(items)]
    assert [place for place, result in enumerate(results) if result.HasField("error")] == [1_000]
    assert tx_ids(results) == [f"T-{number}" for number in range(3_000) if number != 1_000]
    assert {OUTCOME.word(event.outcome) for result in results for event in result.events} == {"created"}


async def test_a_load_goes_on_across_a_restart(mongo_url: str) -> None:
    """The ledger stops in the middle and comes back: every item has its result once, and its first answer."""
    bind = f"127.0.0.1:{free_ports(1)[0]}"
    results = []
    async with AsyncLedgerClient(bind, timeout_s=20) as client:
        async with running_ledger(mongo_url, bind=bind):
            load = client.record_stream(captured(3_000))
            results += [await anext(load) for _ in range(700)]
        rest = asyncio.create_task(_rest(load))
        await asyncio.sleep(0.5)
        assert not rest.done()
        async with running_ledger(mongo_url, bind=bind):
            results += await rest
    assert tx_ids(results) == [f"T-{number}" for number in range(3_000)]
    assert {OUTCOME.word(event.outcome) for result in results for event in result.events} == {"created"}


async def test_a_ledger_that_stays_away_ends_the_load() -> None:
    """Once its patience is used up, the load says what is wrong."""
    async with AsyncLedgerClient(f"127.0.0.1:{free_ports(1)[0]}") as client:
        with pytest.raises(LedgerError) as away:
            await anext(client.record_stream(captured(1), patience_s=0.5))
    assert away.value.code is grpc.StatusCode.UNAVAILABLE


async def _rest(load: AsyncIterator[ledger_pb2.RecordResult]) -> list[ledger_pb2.RecordResult]:
    return [result async for result in load]
