"""The asyncio client: LedgerClient's methods, to be awaited or iterated with `async for`."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Self, TypeVar, Unpack

import grpc
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2, risk_pb2
from google.protobuf.message import Message

from autopay_client import flows, requests
from autopay_client.asynchronous_watch import AsyncWatch
from autopay_client.channel import Channels, Tls
from autopay_client.errors import LedgerError, from_rpc_error
from autopay_client.following import Patience, Place
from autopay_client.loading import load
from autopay_client.requests import Filter, Selection
from autopay_client.retrying import Attempts
from autopay_client.stating import Instant, item

ResultT = TypeVar("ResultT")


class AsyncLedgerClient:
    """Calls a ledger from one event loop. LedgerClient has the methods' details; they are the same."""

    def __init__(self, target: str, *, tls: Tls | None = None, timeout_s: float = 5.0) -> None:
        """Open a channel, inside a running event loop; the arguments are LedgerClient's."""
        self._channels = Channels(target, tls, kind=grpc.aio)
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every call and close the channel."""
        await asyncio.gather(*(channel.close() for channel in self._channels.opened))

    async def record(
        self,
        source: str,
        *events: payment_pb2.PaymentEvent,
        delivery_id: str = "",
        risk: risk_pb2.Risk | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.RecordResult:
        """Record events of one source, as one item, and return what became of each once that is durable."""
        wrapped = item(source, *events, delivery_id=delivery_id, risk=risk)
        return await self._run(flows.record_one(wrapped, self._attempts(timeout_s)))

    async def record_many(
        self, items: Iterable[ledger_pb2.RecordItem], *, concurrency: int = 4, timeout_s: float | None = None
    ) -> AsyncIterator[ledger_pb2.RecordResult]:
        """Record items, up to `concurrency` batches at once, and yield their results in order.

        Batches that are on their way when an error is raised may have been recorded; sending them again is safe.
        """
        under_way: collections.deque[asyncio.Task[Sequence[ledger_pb2.RecordResult]]] = collections.deque()
        try:
            for batch in flows.batches(items):
                flow = flows.record(batch, self._attempts(timeout_s))
                under_way.append(asyncio.create_task(self._run(flow)))
                if len(under_way) >= concurrency:
                    for result in await under_way.popleft():
                        yield result
            while under_way:
                for result in await under_way.popleft():
                    yield result
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def record_stream(
        self, items: Iterable[ledger_pb2.RecordItem], *, patience_s: float = 60.0
    ) -> AsyncIterator[ledger_pb2.RecordResult]:
        """Record items over one stream, and yield their results in order: for bulk loads.

        A stream that breaks is opened again for up to `patience_s`, and batches without an answer are sent again, as
        are single items that may succeed; a result's error is final.
        """
        return load(self._channels, flows.batches(items), Patience(patience_s), self._finish)

    async def get(
        self,
        source: str,
        tx_id: str,
        *,
        full: bool = False,
        min_version: int = 0,
        wait_s: float = 0.0,
        wait_for_analysis: bool = False,
        timeout_s: float | None = None,
    ) -> ledger_pb2.Transaction:
        """Return one payment; NOT_FOUND where there is none."""
        request = requests.get(
            source, tx_id, full=full, min_version=min_version, wait_s=wait_s, wait_for_analysis=wait_for_analysis
        )
        attempts = self._attempts((timeout_s or self._timeout_s) + 2 * wait_s)
        answer: ledger_pb2.GetTransactionResponse = await self._run(flows.repeated("GetTransaction", request, attempts))
        return answer.transaction

    async def batch_get(
        self, names: Iterable[flows.Name], *, timeout_s: float | None = None
    ) -> dict[flows.Name, ledger_pb2.Transaction]:
        """Return the payments there are, by (source, tx_id)."""
        return await self._run(flows.batch_get(names, timeout_s or self._timeout_s))

    def list(self, **wanted: Unpack[Selection]) -> AsyncIterator[ledger_pb2.Transaction]:
        """Yield payments, newest first unless `ascending`, asking for page after page as they are consumed."""
        return self._rows("ListTransactions", requests.transactions(**wanted), "transactions")

    def watch(
        self,
        *,
        resume_token: str = "",
        heartbeat_s: float = 15.0,
        patience_s: float = 300.0,
        **wanted: Unpack[Filter],
    ) -> AsyncWatch:
        """Return an iterator over changes, from a token or from now on, that connects again by itself."""
        request = requests.watch(resume_token, heartbeat_s, **wanted)
        return AsyncWatch(self._channels, Place(request, Patience(patience_s)))

    async def summarize(
        self,
        since: Instant,
        until: Instant,
        *,
        by: Sequence[str | int],
        groups_max: int = 0,
        timeout_s: float | None = None,
        **wanted: Unpack[Filter],
    ) -> ledger_pb2.SummarizeTransactionsResponse:
        """Return counts and exact sums of the payments recorded in a range of time, the largest counts first."""
        request = requests.summary(since, until, by, groups_max, **wanted)
        answer: ledger_pb2.SummarizeTransactionsResponse = await self._run(
            flows.repeated("SummarizeTransactions", request, self._attempts(timeout_s))
        )
        return answer

    def deliveries(
        self,
        disposition: str | int = "",
        *,
        source: str = "",
        since: Instant | None = None,
        with_body: bool = False,
        page_size: int = 0,
    ) -> AsyncIterator[ledger_pb2.StoredDelivery]:
        """Yield deliveries that somebody has to look at, newest first.

        Args:
            disposition: "conflict", "unprocessable", "waiting", "ignored" or "dismissed"; "" for the first three.
            source: only this source.
            since: received at or after.
            with_body: with their exact bytes and headers; audited.
            page_size: how many a call returns, 0 for the most.
        """
        request = requests.deliveries(disposition, source, since, page_size=page_size, with_body=with_body)
        return self._rows("ListDeliveries", request, "deliveries")

    async def delivery(
        self, delivery: str, *, with_body: bool = False, timeout_s: float | None = None
    ) -> ledger_pb2.StoredDelivery:
        """Return one delivery by its id; NOT_FOUND where there is none. Its bytes are audited."""
        request = ledger_pb2.ListDeliveriesRequest(id=delivery, with_body=with_body)
        answer: ledger_pb2.ListDeliveriesResponse = await self._run(
            flows.repeated("ListDeliveries", request, self._attempts(timeout_s))
        )
        return answer.deliveries[0]

    async def resolve(
        self, delivery: str, resolution: str | int, *, author: str, note: str, timeout_s: float | None = None
    ) -> ledger_pb2.StoredDelivery:
        """End a delivery's quarantine: "accept" its facts as a correction, "dismiss" it, or "redrive" it.

        The same decision again changes nothing, so it is repeated like a read. NOT_RESOLVABLE where it can't end so.
        """
        request = requests.resolve(delivery, resolution, author=author, note=note)
        answer: ledger_pb2.ResolveDeliveryResponse = await self._run(
            flows.repeated("ResolveDelivery", request, self._attempts(timeout_s))
        )
        return answer.delivery

    async def call(self, method: str, request: Message, *, repeat: bool = False, timeout_s: float | None = None) -> Any:
        """Make any unary call of LedgerService; `repeat` it where it is known to do no harm."""
        if repeat:
            return await self._run(flows.repeated(method, request, self._attempts(timeout_s)))
        return await self._run(flows.once(method, request, timeout_s or self._timeout_s))

    async def _finish(self, batch: flows.Items) -> Sequence[ledger_pb2.RecordResult]:
        return await self._run(flows.record(batch, self._attempts(None)))

    def _attempts(self, timeout_s: float | None) -> Attempts:
        return Attempts(timeout_s or self._timeout_s)

    async def _rows(self, method: str, request: Any, field: str) -> AsyncIterator[Any]:
        more = True
        while more:
            page = await self._run(flows.repeated(method, request, self._attempts(None)))
            for row in getattr(page, field):
                yield row
            request.page_token = page.next_page_token
            more = bool(page.next_page_token)

    async def _run(self, flow: flows.Flow[ResultT]) -> ResultT:
        """Make the calls and pauses of a flow, and return what it ends with."""
        answer: Any = None
        error: LedgerError | None = None
        while True:
            try:
                step = flow.send(answer) if error is None else flow.throw(error)
            except StopIteration as done:
                found: ResultT = done.value
                return found
            answer, error = None, None
            if isinstance(step, flows.Pause):
                await asyncio.sleep(step.seconds)
                continue
            try:
                answer = await getattr(self._channels.stub, step.method)(step.request, timeout=step.timeout_s)
            except grpc.aio.AioRpcError as failure:
                error = from_rpc_error(failure)
                self._channels.renew()
