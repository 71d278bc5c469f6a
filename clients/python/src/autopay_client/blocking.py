"""The synchronous client; threads may share one. Make it after a fork, not before."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, TypeVar, Unpack

import grpc
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2, risk_pb2
from google.protobuf.message import Message

from autopay_client import flows, requests
from autopay_client.blocking_watch import Watch
from autopay_client.channel import Channels, Tls
from autopay_client.errors import LedgerError, from_rpc_error
from autopay_client.following import Patience, Place
from autopay_client.requests import Filter, Selection
from autopay_client.retrying import Attempts
from autopay_client.stating import Instant, item

ResultT = TypeVar("ResultT")


class LedgerClient:
    """Calls a ledger. Every method raises LedgerError; those that may be repeated are, until their deadline."""

    def __init__(self, target: str, *, tls: Tls | None = None, timeout_s: float = 5.0) -> None:
        """Open a channel to every healthy replica behind `target`; nothing is sent yet.

        Args:
            target: `host:port`, or `dns:///name:port`, whose every address gets calls in turn.
            tls: who the caller is; None is plaintext, for loopback.
            timeout_s: the deadline of a call with all its attempts, where the call states no other.
        """
        self._channels = Channels(target, tls, kind=grpc)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every call and close the channel."""
        for channel in self._channels.opened:
            channel.close()

    def record(
        self,
        source: str,
        *events: payment_pb2.PaymentEvent,
        delivery_id: str = "",
        risk: risk_pb2.Risk | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.RecordResult:
        """Record events of one source, as one item, and return what became of each once that is durable.

        Sent again as often as needed, always under one delivery id: the first answer counts. A contradiction is no
        error: its outcome is CONFLICT.
        """
        wrapped = item(source, *events, delivery_id=delivery_id, risk=risk)
        return self._run(flows.record_one(wrapped, self._attempts(timeout_s)))

    def record_many(
        self, items: Iterable[ledger_pb2.RecordItem], *, timeout_s: float | None = None
    ) -> Iterator[ledger_pb2.RecordResult]:
        """Record items in batches, and yield their results in order; an item that failed has `error` set.

        Lazy: a batch is sent when its first result is asked for. `timeout_s` is each batch's.
        """
        for batch in flows.batches(items):
            yield from self._run(flows.record(batch, self._attempts(timeout_s)))

    def get(
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
        """Return one payment; NOT_FOUND where there is none.

        Args:
            source: the namespace of its id.
            tx_id: its id.
            full: with its single events; audited.
            min_version: wait until it has this version.
            wait_s: how long to wait at most, up to 10.
            wait_for_analysis: wait until its analysis is done or parked.
            timeout_s: the deadline, beside the waiting.
        """
        request = requests.get(
            source, tx_id, full=full, min_version=min_version, wait_s=wait_s, wait_for_analysis=wait_for_analysis
        )
        # Each attempt gets a part of the deadline only, and has to hold the wait.
        attempts = self._attempts((timeout_s or self._timeout_s) + 2 * wait_s)
        answer: ledger_pb2.GetTransactionResponse = self._run(flows.repeated("GetTransaction", request, attempts))
        return answer.transaction

    def batch_get(
        self, names: Iterable[flows.Name], *, timeout_s: float | None = None
    ) -> dict[flows.Name, ledger_pb2.Transaction]:
        """Return the payments there are, by (source, tx_id). `timeout_s` is each call's, of 1,000 names."""
        return self._run(flows.batch_get(names, timeout_s or self._timeout_s))

    def list(self, **wanted: Unpack[Selection]) -> Iterator[ledger_pb2.Transaction]:
        """Yield payments, newest first unless `ascending`, asking for page after page as they are consumed."""
        return self._rows("ListTransactions", requests.transactions(**wanted), "transactions")

    def watch(
        self,
        *,
        resume_token: str = "",
        heartbeat_s: float = 15.0,
        patience_s: float = 300.0,
        **wanted: Unpack[Filter],
    ) -> Watch:
        """Return an iterator over changes, from a token or from now on, that connects again by itself.

        Args:
            resume_token: a `Watch.resume_token` kept from before; OUT_OF_RANGE when its history is gone.
            heartbeat_s: the longest silence, 1 to 60.
            patience_s: how long to try to connect again before the error is raised.
            **wanted: only changes of such payments.
        """
        request = requests.watch(resume_token, heartbeat_s, **wanted)
        return Watch(self._channels, Place(request, Patience(patience_s)))

    def summarize(
        self,
        since: Instant,
        until: Instant,
        *,
        by: Sequence[str | int],
        groups_max: int = 0,
        timeout_s: float | None = None,
        **wanted: Unpack[Filter],
    ) -> ledger_pb2.SummarizeTransactionsResponse:
        """Return counts and exact sums of the payments recorded in a range of time, the largest counts first.

        Args:
            since: from here on.
            until: to before here, at most 366 days later.
            by: 1 to 3 dimensions: "status", "source", "hour", "day", "sender", "receiver", "risk_level", "currency".
            groups_max: the most groups, 0 for 1,000.
            timeout_s: the deadline.
            **wanted: only such payments.
        """
        request = requests.summary(since, until, by, groups_max, **wanted)
        answer: ledger_pb2.SummarizeTransactionsResponse = self._run(
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
    ) -> Iterator[ledger_pb2.StoredDelivery]:
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

    def delivery(
        self, delivery: str, *, with_body: bool = False, timeout_s: float | None = None
    ) -> ledger_pb2.StoredDelivery:
        """Return one delivery by its id; NOT_FOUND where there is none. Its bytes are audited."""
        request = ledger_pb2.ListDeliveriesRequest(id=delivery, with_body=with_body)
        answer: ledger_pb2.ListDeliveriesResponse = self._run(
            flows.repeated("ListDeliveries", request, self._attempts(timeout_s))
        )
        return answer.deliveries[0]

    def resolve(
        self, delivery: str, resolution: str | int, *, author: str, note: str, timeout_s: float | None = None
    ) -> ledger_pb2.StoredDelivery:
        """End a delivery's quarantine: "accept" its facts as a correction, "dismiss" it, or "redrive" it.

        The same decision again changes nothing, so it is repeated like a read. NOT_RESOLVABLE where it can't end so.
        """
        request = requests.resolve(delivery, resolution, author=author, note=note)
        answer: ledger_pb2.ResolveDeliveryResponse = self._run(
            flows.repeated("ResolveDelivery", request, self._attempts(timeout_s))
        )
        return answer.delivery

    def call(self, method: str, request: Message, *, repeat: bool = False, timeout_s: float | None = None) -> Any:
        """Make any unary call of LedgerService; `repeat` it where it is known to do no harm."""
        if repeat:
            return self._run(flows.repeated(method, request, self._attempts(timeout_s)))
        return self._run(flows.once(method, request, timeout_s or self._timeout_s))

    def _attempts(self, timeout_s: float | None) -> Attempts:
        return Attempts(timeout_s or self._timeout_s)

    def _rows(self, method: str, request: Any, field: str) -> Iterator[Any]:
        more = True
        while more:
            page = self._run(flows.repeated(method, request, self._attempts(None)))
            yield from getattr(page, field)
            request.page_token = page.next_page_token
            more = bool(page.next_page_token)

    def _run(self, flow: flows.Flow[ResultT]) -> ResultT:
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
                time.sleep(step.seconds)
                continue
            try:
                answer = getattr(self._channels.stub, step.method)(step.request, timeout=step.timeout_s)
            except grpc.RpcError as failure:
                error = from_rpc_error(failure)
                self._channels.renew()
