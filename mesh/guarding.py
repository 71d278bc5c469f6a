"""What stands before every handler of ours: admission, the demand of a deadline, faults as status, measuring."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from mesh.errors import Fault, Kind, code_of, to_status
from mesh.streamed import SUFFIX, TIMEOUT_KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from mesh.callers import Admission
    from mesh.metrics import RpcMetrics

_log = logging.getLogger(__name__)

_DIGITS_MAX: Final = 9
_BUG: Final = Fault(
    kind=Kind.INTERNAL,
    reason="INTERNAL",
    message="A bug on our side; the log has the traceback at this time.",
)


class Handlers:
    """Stands in for the server where a generated `add_…Servicer_to_server` registers handlers, and guards each once.

    An interceptor would look every call's handler up and wrap it again.
    """

    def __init__(self, server: grpc.aio.Server, guard: Guard, *, streamed: Collection[str] = ()) -> None:
        """Register with `server` what `guard` guards, the `streamed` unary methods as streams, too."""
        self._server = server
        self._guard = guard
        self._streamed = streamed

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Take no handler here: generated code registers the same ones by name."""

    def add_registered_method_handlers(self, service: str, methods: Mapping[str, Any]) -> None:
        """Register a service's handlers, each wrapped."""
        guard = self._guard
        guarded = {name: guard.guarded(f"/{service}/{name}", handler) for name, handler in methods.items()}
        for name in self._streamed:
            guarded[name + SUFFIX] = guard.over_stream(f"/{service}/{name}", methods[name])
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))


class Guard:
    """Wraps every handler of ours: admits the caller, demands a deadline, turns faults into status, measures.

    Does not know the server: its handlers know the guard, and a server in a ring of references would be closed by the
    collector, wherever that runs.
    """

    def __init__(self, metrics: RpcMetrics | None = None, admission: Admission | None = None) -> None:
        """Measure into `metrics` where given; let in whom `admission` does, everybody where it is None (plaintext)."""
        self._metrics = metrics
        self._admission = admission

    def guarded(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a handler that does what `handler` does for whom it should."""
        make: Callable[..., grpc.RpcMethodHandler[Any, Any]]
        if handler.unary_unary is not None:
            make, behaviour = grpc.unary_unary_rpc_method_handler, self._unary(method, handler.unary_unary)
        elif handler.unary_stream is not None:
            make, behaviour = grpc.unary_stream_rpc_method_handler, self._stream(method, handler.unary_stream)
        else:
            make, behaviour = grpc.stream_stream_rpc_method_handler, self._stream(method, handler.stream_stream)
        return make(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(self, method: str, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def guarded(request: object, context: grpc.aio.ServicerContext[Any, Any]) -> object:
            started = time.perf_counter()
            try:
                self._let_in(method, context)
                answer = await behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - the one place that answers whatever a handler raises
                await self._refuse(method, context, error, started)
            else:
                self._measure(method, grpc.StatusCode.OK, started)
                return cast("object", answer)
            return None

        return guarded

    def over_stream(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a handler of streams whose messages are calls, one after the other, guarded as each alone would be.

        A refusal ends the stream: its status is the call's.
        """
        unary = self._unary(method, handler.unary_unary)

        # Reads and writes by itself: of a generator, gRPC leaves each cancelled stream's request to the collector.
        async def answers(_requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            started = time.perf_counter()
            try:
                # Before anything is read: nobody else may hold a stream, and nobody may hold one for ever.
                self._let_in(method, context)
                timeout_s = _call_timeout_s(context)
            except Fault as fault:
                await self._refuse(method, context, fault, started)
                return
            while (request := await context.read()) is not grpc.aio.EOF:
                await context.write(await unary(request, OneCall(context, timeout_s)))

        return grpc.stream_stream_rpc_method_handler(
            answers,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _stream(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: object, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            started = time.perf_counter()
            try:
                self._let_in(method, context)
                async for answer in behaviour(request, context):
                    yield answer
            except Exception as error:  # noqa: BLE001 - as above
                await self._refuse(method, context, error, started)
            else:
                self._measure(method, grpc.StatusCode.OK, started)

        return guarded

    def _let_in(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if self._admission is not None:
            self._admission.admit(method, context)
        if context.time_remaining() is None:
            raise _no_deadline()

    async def _refuse(
        self, method: str, context: grpc.aio.ServicerContext[Any, Any], error: Exception, started: float
    ) -> None:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        fault = error if isinstance(error, Fault) else _BUG
        if fault is _BUG:
            _log.error("unhandled error in %s", method, exc_info=error)
        self._measure(method, code_of(fault.kind), started)
        await context.abort_with_status(to_status(fault))

    def _measure(self, method: str, code: grpc.StatusCode, started: float) -> None:
        if self._metrics is not None:
            self._metrics.observe(method, code.name, time.perf_counter() - started)


def _no_deadline() -> Fault:
    return Fault(
        kind=Kind.INVALID,
        reason="DEADLINE_REQUIRED",
        message="The call has no deadline; set one (timeout), so that neither side waits for ever.",
    )


class OneCall:
    """The context of one call over a stream: the stream's own, but for the time this call has."""

    def __init__(self, stream: grpc.aio.ServicerContext[Any, Any], timeout_s: float) -> None:
        """Give the call `timeout_s` from now on, as long as the stream lasts."""
        self._stream = stream
        self._deadline = time.monotonic() + timeout_s

    def __getattr__(self, name: str) -> Any:
        """Return what the stream has."""
        return getattr(self._stream, name)

    def time_remaining(self) -> float:
        """Return the seconds that the caller still waits."""
        # The stream has a deadline, or it would not have been let in.
        return max(0.0, min(self._deadline - time.monotonic(), self._stream.time_remaining()))


def _call_timeout_s(stream: grpc.aio.ServicerContext[Any, Any]) -> float:
    """Return what a stream's opener said each call may take.

    Raises:
        Fault: INVALID, it said nothing that can be read.
    """
    for key, value in stream.invocation_metadata() or ():
        if key == TIMEOUT_KEY and isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value[:_DIGITS_MAX]) / 1000
    raise _no_deadline()
