"""Unary methods called over streams that stay open for a second: no call has to be set up for a batch.

gRPC sets every call up and takes it down: headers, deadline, status, and a turn of both processes' threads for each. On
a stream that is open already, a call is one message there and one back (docs/adr/0014). Each listed method has a
stream beside it that takes the same messages; whoever wants no stream calls the method itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import grpc

from mesh.channel import call
from mesh.errors import Fault, Kind, from_rpc_error

if TYPE_CHECKING:
    from google.protobuf.message import Message

RequestT = TypeVar("RequestT", bound="Message")
ResponseT = TypeVar("ResponseT", bound="Message")

# What a method's stream is called, after the method's own name.
SUFFIX: Final = "OverStream"
# Sent when a stream is opened: how long each call over it may take.
TIMEOUT_KEY: Final = "call-timeout-ms"
# A stream keeps its replica: so soon are calls spread anew, over who joined, and away from who drains.
_AGE_S_MAX: Final = 1.0
_UNARY_S: Final = 10.0
# So many calls that ran out of time may still be answered; one more is cancelled.
_LATE_MAX: Final = 16
# What gRPC says of a message that it could not send because the stream had ended; a bug of the server says more.
_UNSENT: Final = "Internal error from Core"
# A proxy whose server is killed can't give a stream a status any more once its head is through.
_RESET: Final = "RST_STREAM"


class StreamedMethod(Generic[RequestT, ResponseT]):
    """One unary method of a service. Calls at the same time have a stream each; there are as many as are out at once.

    Calls the method itself while the server knows no stream for it, because it is of an earlier version.
    """

    def __init__(
        self, channel: grpc.aio.Channel, path: str, *, takes: type[RequestT], answers: type[ResponseT]
    ) -> None:
        """Call `/package.Service/Method` over `channel`, which the caller closes."""
        codec: dict[str, Any] = {
            "request_serializer": takes.SerializeToString,
            "response_deserializer": answers.FromString,
        }
        self._unary = channel.unary_unary(path, **codec)
        self._open = channel.stream_stream(f"{path}{SUFFIX}", **codec)
        self._idle: deque[_Stream] = deque()
        self._endings: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[ResponseT]] = set()
        self._unary_until = 0.0

    async def __call__(self, request: RequestT, *, timeout_s: float) -> ResponseT:
        """Make one call.

        Raises:
            Fault: what the server or the channel said, TIMEOUT after `timeout_s`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        if loop.time() < self._unary_until:
            return await self._call_unary(request, timeout_s)
        try:
            return await self._call_over_stream(request, timeout_s)
        except TimeoutError:
            message = f"There was no answer within {timeout_s:g} s."
            raise Fault(kind=Kind.TIMEOUT, reason="NOT_DURABLE", message=message) from None
        except grpc.aio.AioRpcError as error:
            unknown = error.code() is grpc.StatusCode.UNIMPLEMENTED
            if not (unknown or error.details() == _UNSENT):
                raise _fault_of(error) from error
            if unknown:
                self._unary_until = loop.time() + _UNARY_S
        # Nobody has looked at the request. Where the stream ended before it could be sent, gRPC hides why; the method
        # itself says it.
        return await self._call_unary(request, max(deadline - loop.time(), 0.0))

    async def _call_over_stream(self, request: RequestT, timeout_s: float) -> ResponseT:
        stream = self._take(timeout_s)
        exchange: asyncio.Task[ResponseT] = asyncio.get_running_loop().create_task(stream.exchange(request))
        try:
            await asyncio.wait((exchange,), timeout=timeout_s)
        except asyncio.CancelledError:
            exchange.cancel()
            stream.abandon()
            raise
        if not exchange.done():
            self._outlive(exchange, stream)
            raise TimeoutError
        try:
            answer = exchange.result()
        except BaseException:
            stream.abandon()
            raise
        finally:
            # What it raised would refer to itself through this frame.
            del exchange
        self._give_back(stream)
        return answer

    def _outlive(self, exchange: asyncio.Task[ResponseT], stream: _Stream) -> None:
        """Leave a call that ran out of time to itself: its answer goes nowhere, and then the stream is free again.

        A call that is cancelled takes its stream with it, and in grpcio 1.71 some memory for good: what it allocates to
        wait for a message, and the message, is freed by whoever waited, and by nobody when that is cancelled.
        """
        if len(self._late) == _LATE_MAX:
            exchange.cancel()
            stream.abandon()
            return
        self._late.add(exchange)
        exchange.add_done_callback(lambda ended: self._came_late(ended, stream))

    def _came_late(self, exchange: asyncio.Task[ResponseT], stream: _Stream) -> None:
        self._late.discard(exchange)
        if exchange.cancelled() or exchange.exception() is not None:
            stream.abandon()
        else:
            self._give_back(stream)

    async def _call_unary(self, request: RequestT, timeout_s: float) -> ResponseT:
        answer: ResponseT = await call(self._unary, request, timeout_s=timeout_s)
        return answer

    def _take(self, timeout_s: float) -> _Stream:
        while self._idle:
            # The one that rested longest, so that all streams, and with them all replicas, have their turn.
            stream = self._idle.popleft()
            if not stream.ended:
                return stream
        loop = asyncio.get_running_loop()
        raw = self._open(timeout=_AGE_S_MAX + 2 * timeout_s, metadata=((TIMEOUT_KEY, str(round(timeout_s * 1000))),))
        stream = _Stream(raw, until=loop.time() + _AGE_S_MAX)
        stream.retirement = loop.call_at(stream.until, self._retire, stream)
        return stream

    def _give_back(self, stream: _Stream) -> None:
        if asyncio.get_running_loop().time() < stream.until:
            self._idle.append(stream)
        else:
            self._end(stream)

    def _retire(self, stream: _Stream) -> None:
        stream.retirement = None
        if stream in self._idle:
            self._idle.remove(stream)
            self._end(stream)

    def _end(self, stream: _Stream) -> None:
        ending = asyncio.get_running_loop().create_task(stream.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)


def _fault_of(error: grpc.aio.AioRpcError) -> Fault:
    """Return what a stream's end says; one that a proxy resets lost its server, which is no bug of the server's."""
    fault = from_rpc_error(error)
    if fault.kind is Kind.INTERNAL and _RESET in (error.details() or ""):
        return replace(fault, kind=Kind.UNAVAILABLE, reason="DEPENDENCY_DOWN")
    return fault


class _Stream:
    """One stream, with at most one call on it."""

    __slots__ = ("_raw", "retirement", "until")

    def __init__(self, raw: Any, *, until: float) -> None:
        self._raw = raw
        self.until = until
        self.retirement: asyncio.TimerHandle | None = None

    @property
    def ended(self) -> bool:
        return bool(self._raw.done())

    async def exchange(self, request: Message) -> Any:
        """Send a request and return its answer."""
        try:
            await self._raw.write(request)
            # Nobody should hold it until an answer comes late.
            del request
            answer = await self._raw.read()
        except asyncio.InvalidStateError:
            # It ended before the request left; reading says how.
            answer = await self._raw.read()
        if answer is grpc.aio.EOF:
            message = "The server ended the stream; send it again."
            raise Fault(kind=Kind.UNAVAILABLE, reason="DEPENDENCY_DOWN", message=message)
        return answer

    def abandon(self) -> None:
        """Give the stream up at once, with what is on it; nothing holds it until its second is over."""
        self._raw.cancel()
        if self.retirement is not None:
            self.retirement.cancel()

    async def end(self) -> None:
        """Say that no call follows, and let the server end it."""
        # The connection may go first.
        with contextlib.suppress(grpc.aio.InternalError):
            await self._raw.done_writing()
        await self._raw.code()
