"""A local OTLP receiver, so that the mesh exports for real; it counts spans and keeps when the last began and ended."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import deque
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

if TYPE_CHECKING:
    from types import FrameType


# Beside the counts: name, trace, begin and end (ns since 1970) of the last spans.
SPANS = "spans.json"
_KEPT_MAX = 100_000


class Counter(trace_service_pb2_grpc.TraceServiceServicer):
    """Counts what arrives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.spans = 0
        self.roots = 0
        self.kept: deque[tuple[str, str, int, int]] = deque(maxlen=_KEPT_MAX)

    def Export(  # noqa: N802 - named by the contract
        self,
        request: trace_service_pb2.ExportTraceServiceRequest,
        context: grpc.ServicerContext,  # noqa: ARG002 - passed by the contract
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Count one batch of spans."""
        spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
        # A batch's own command span is a root too, but no webhook's.
        roots = sum(not span.parent_span_id and span.kind == trace_pb2.Span.SPAN_KIND_SERVER for span in spans)
        with self._lock:
            self.spans += len(spans)
            self.roots += roots
            self.kept += [
                (span.name, span.trace_id.hex(), span.start_time_unix_nano, span.end_time_unix_nano) for span in spans
            ]
        return trace_service_pb2.ExportTraceServiceResponse()


def main(port: int, result: Path) -> None:
    """Receive until SIGTERM, then write the counts as JSON."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    counter = Counter()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(counter, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    stopping.wait()
    server.stop(grace=1).wait()
    result.with_name(SPANS).write_text(json.dumps(list(counter.kept)))
    result.write_text(json.dumps({"spans": counter.spans, "traces": counter.roots}))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
