"""Bulk loads of autopay_client against servers that fail single items, or refuse a batch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay_client import AsyncLedgerClient, LedgerError, event, item

from mesh.errors import invalid
from mesh.server import Server

SERVICE = "autopay.ledger.v1.LedgerService"


class Ledger(ledger_pb2_grpc.LedgerServiceServicer):
    """Records what it is given, but fails some payments the first time, and the stream at some batch."""

    def __init__(self, *, undurable: set[str], breaks_at: int = 0, refuses: bool = False) -> None:
        """Fail these payments once; end the first stream without an answer to its batch `breaks_at`."""
        self._undurable = undurable
        self._breaks_at = breaks_at
        self._refuses = refuses
        self.again: list[str] = []

    async def Record(self, request: ledger_pb2.RecordRequest, context: Any) -> ledger_pb2.RecordResponse:
        """Record what failed in the stream."""
        self.again += [each.events[0].event.tx_id for each in request.items]
        return ledger_pb2.RecordResponse(results=[self._result(each) for each in request.items])

    async def RecordStream(self, requests: Any, context: Any) -> AsyncIterator[ledger_pb2.RecordStreamResponse]:
        """Record batch after batch."""
        number = 0
        async for request in requests:
            number += 1
            if self._refuses:
                raise invalid("items", "must hold 1 to 256 items")
            if number == self._breaks_at:
                self._breaks_at = 0
                return
            yield ledger_pb2.RecordStreamResponse(results=[self._result(each) for each in request.items])

    def _result(self, one: ledger_pb2.RecordItem) -> ledger_pb2.RecordResult:
        tx_id = one.events[0].event.tx_id
        if tx_id in self._undurable:
            self._undurable.remove(tx_id)
            return ledger_pb2.RecordResult(error=ledger_pb2.RecordError(code=14, retryable=True))
        return ledger_pb2.RecordResult(events=[ledger_pb2.EventOutcome(tx_id=tx_id)])


@asynccontextmanager
async def loading(ledger: Ledger) -> AsyncIterator[AsyncLedgerClient]:
    """Serve a ledger and yield a client of it."""
    server = Server(services=[SERVICE], reflect=False)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server.handlers)
    port = await server.start("127.0.0.1:0")
    await server.set_healthy(healthy=True)
    async with AsyncLedgerClient(f"127.0.0.1:{port}") as client:
        yield client
    await server.drain(notice_s=0, grace_s=0)


async def test_single_items_that_may_succeed_are_sent_again_in_their_place() -> None:
    """The results stay in order, and only what failed is repeated; a stream that ends early is opened again."""
    ledger = Ledger(undurable={"T-3", "T-700"}, breaks_at=2)
    async with loading(ledger) as client:
        items = [item("orders", event(f"T-{number}", "failed")) for number in range(1_000)]
        results = [result async for result in client.record_stream(items)]
    assert [result.events[0].tx_id for result in results] == [f"T-{number}" for number in range(1_000)]
    assert ledger.again == ["T-3", "T-700"]


async def test_a_batch_that_is_refused_ends_the_load() -> None:
    """Sending it again would not help."""
    async with loading(Ledger(undurable=set(), refuses=True)) as client:
        with pytest.raises(LedgerError) as refused:
            await anext(client.record_stream([item("orders", event("T-1", "failed"))]))
    assert [wrong.field for wrong in refused.value.fields] == ["items"]
