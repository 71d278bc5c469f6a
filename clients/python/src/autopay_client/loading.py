"""Bulk loading: batches over one RecordStream, opened again where it breaks."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2

from autopay_client.channel import Channels
from autopay_client.errors import LedgerError, from_rpc_error
from autopay_client.flows import Items
from autopay_client.following import STREAM_S_MAX, Patience, ended

# What the server reads ahead of the answers taken.
_UNANSWERED_MAX: Final = 4
# The server tries a batch for longer than a fail-over; beyond that it is frozen, and another replica isn't.
_ANSWER_S_MAX: Final = 30.0

Results = Sequence[ledger_pb2.RecordResult]


class _Stream:
    """One stream, and how far it got."""

    def __init__(self, call: Any, batches: Iterator[Items], unanswered: collections.deque[Items]) -> None:
        self._call = call
        self._batches = batches
        self._unanswered = unanswered
        self._sent = 0

    async def exchange(self) -> tuple[Items, Results] | None:
        """Send what may be sent, and return the next batch with its results, None after the last one.

        Raises:
            LedgerError: the stream broke; what is unanswered has to be sent again.
        """
        try:
            async with asyncio.timeout(_ANSWER_S_MAX):
                await self._send()
                answer = await self._call.read() if self._unanswered else None
        except grpc.aio.AioRpcError as failure:
            raise from_rpc_error(failure) from None
        except TimeoutError:
            raise LedgerError(
                code=grpc.StatusCode.DEADLINE_EXCEEDED, reason="", message="The ledger did not answer a batch in time."
            ) from None
        if answer is None:
            return None
        if answer is grpc.aio.EOF:
            raise ended()
        self._sent -= 1
        return self._unanswered.popleft(), answer.results

    async def _send(self) -> None:
        while self._sent < _UNANSWERED_MAX:
            if self._sent == len(self._unanswered):
                batch = next(self._batches, None)
                if batch is None:
                    return
                self._unanswered.append(batch)
            try:
                await self._call.write(ledger_pb2.RecordStreamRequest(items=self._unanswered[self._sent]))
            except asyncio.InvalidStateError:
                # The call has ended; reading says how.
                return
            self._sent += 1


async def load(
    channels: Channels,
    batches: Iterator[Items],
    patience: Patience,
    finish: Callable[[Items], Awaitable[Results]],
) -> AsyncIterator[ledger_pb2.RecordResult]:
    """Yield the result of each item, in order; `finish` sends those again that may succeed later.

    Raises:
        LedgerError: the stream can't be opened for longer than `patience` has, or a batch is refused as a whole.
    """
    unanswered: collections.deque[Items] = collections.deque()
    while True:
        call = channels.stub.RecordStream(timeout=STREAM_S_MAX)
        stream = _Stream(call, batches, unanswered)
        try:
            while (answered := await stream.exchange()) is not None:
                patience.reset()
                for result in await _settled(*answered, finish):
                    yield result
            return
        except LedgerError as error:
            pause_s = patience.pause_s(error)
        finally:
            call.cancel()
        channels.renew()
        await asyncio.sleep(pause_s)


async def _settled(batch: Items, results: Results, finish: Callable[[Items], Awaitable[Results]]) -> Results:
    again = [place for place, result in enumerate(results) if result.error.retryable]
    if not again:
        return results
    settled = list(results)
    for place, result in zip(again, await finish([batch[place] for place in again]), strict=True):
        settled[place] = result
    return settled
