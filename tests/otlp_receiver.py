"""A real OTLP receiver over gRPC that keeps every span, metric and log record it is sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_WAIT_S_MAX = 20.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    """One finished span; ids are lower-case hex, links are (trace id, span id)."""

    process: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: Sequence[tuple[str, str]]
    attributes: Mapping[str, Any]

    @property
    def ids(self) -> tuple[str, str]:
        """What a link to this span says."""
        return (self.trace_id, self.span_id)


class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans of every export."""

    def __init__(self) -> None:
        """Begin with none."""
        self.spans: list[ReceivedSpan] = []
        self.resources: list[Mapping[str, str]] = []
        self.told: list[Told] = []
        self.endpoint = ""

    async def Export(
        self,
        request: trace_service_pb2.ExportTraceServiceRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Take one export in."""
        for resource_spans in request.resource_spans:
            resource = _attributes(resource_spans.resource.attributes)
            self.resources.append(resource)
            for scope_spans in resource_spans.scope_spans:
                self.spans += [_received(span, resource["service.name"]) for span in scope_spans.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def of_trace(self, trace_id: str) -> Sequence[ReceivedSpan]:
        """Return the spans of one trace that have come so far."""
        return [span for span in self.spans if span.trace_id == trace_id]

    async def until(self, complete: Callable[[], bool]) -> bool:
        """Wait for what comes in until it is complete; return whether it got so in time."""
        try:
            async with asyncio.timeout(_WAIT_S_MAX):
                while not complete():  # noqa: ASYNC110 - what completes it is a test's own question
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one process said of one signal besides traces: its resource, and what it sent."""

    resource: Mapping[str, str]
    metrics: Sequence[metrics_pb2.Metric] = ()
    logs: Sequence[logs_pb2.LogRecord] = ()


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, told: list[Told]) -> None:
        self._told = told

    async def Export(
        self,
        request: metrics_service_pb2.ExportMetricsServiceRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> metrics_service_pb2.ExportMetricsServiceResponse:
        for each in request.resource_metrics:
            metrics = [metric for scope in each.scope_metrics for metric in scope.metrics]
            self._told.append(Told(resource=_attributes(each.resource.attributes), metrics=metrics))
        return metrics_service_pb2.ExportMetricsServiceResponse()


class _Logs(logs_service_pb2_grpc.LogsServiceServicer):
    def __init__(self, told: list[Told]) -> None:
        self._told = told

    async def Export(
        self,
        request: logs_service_pb2.ExportLogsServiceRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> logs_service_pb2.ExportLogsServiceResponse:
        for each in request.resource_logs:
            logs = [record for scope in each.scope_logs for record in scope.log_records]
            self._told.append(Told(resource=_attributes(each.resource.attributes), logs=logs))
        return logs_service_pb2.ExportLogsServiceResponse()


@asynccontextmanager
async def receiving() -> AsyncIterator[OtlpReceiver]:
    """Run a receiver on a free loopback port; `endpoint` is its URL."""
    receiver = OtlpReceiver()
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(_Metrics(receiver.told), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(_Logs(receiver.told), server)
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield receiver
    finally:
        await server.stop(None)


@contextmanager
def receiving_beside() -> Iterator[OtlpReceiver]:
    """Run a receiver in a thread of its own, for tests that don't run in an event loop."""
    started: Future[OtlpReceiver] = Future()
    over = threading.Event()

    async def run() -> None:
        async with receiving() as receiver:
            started.set_result(receiver)
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        yield started.result(timeout=_WAIT_S_MAX)
    finally:
        over.set()
        thread.join(_WAIT_S_MAX)


def _attributes(attributes: Iterable[Any]) -> Mapping[str, str]:
    return {each.key: each.value.string_value for each in attributes}


def _received(span: trace_pb2.Span, process: str) -> ReceivedSpan:
    return ReceivedSpan(
        process=process,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        attributes={each.key: _value(each.value) for each in span.attributes},
    )


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
