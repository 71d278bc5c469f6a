"""Tracing by hand: a sampled item has its own span in every hop; an unsampled one costs an id and nothing else.

Automatic instrumentation costs a third of the edge's throughput even when nothing is sampled, so spans are made here,
where the code knows what an item is. Context travels inside the messages (a W3C traceparent per item), because one
call carries many traces.
"""

from __future__ import annotations

import math
import os
import random
import re
import threading
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, TraceFlags

from mesh import masking, otlp, resource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.util.types import AttributeValue

LINKS_MAX: Final = 128
DEFAULT_RATIO: Final = 0.05
_SHUTDOWN_S_MAX: Final = 2.0
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
# The lowest bit of the flags says sampled; others, like "the id is random" (2), may be set beside it.
_SAMPLED: Final = frozenset("13579bdf")


class _PresetIds(RandomIdGenerator):
    """Lets a root span take the trace id that the sampling decision was made on."""

    def __init__(self) -> None:
        self.next_trace_id = 0

    def generate_trace_id(self) -> int:
        preset, self.next_trace_id = self.next_trace_id, 0
        return preset or super().generate_trace_id()


class Root:
    """The beginning of one delivery's trace: always has ids, has a span only when sampled."""

    __slots__ = ("span", "trace_id", "traceparent")

    def __init__(self, trace_id: str, traceparent: str, span: Span | None) -> None:
        """Hold the ids as lower-case hex and the span where there is one."""
        self.trace_id = trace_id
        self.traceparent = traceparent
        self.span = span


class Tracing:
    """Makes spans of one process; exports only where an OTLP endpoint is configured."""

    def __init__(self, provider: TracerProvider | None, *, ratio: float, ids: _PresetIds | None = None) -> None:
        """Trace through `provider`, or only hand out ids where it is None."""
        self._provider = provider
        self._ids = ids
        self._tracer = provider.get_tracer("autopay") if provider is not None else None
        self._bound = TraceIdRatioBased.get_bound_for_rate(ratio) if provider is not None else 0

    def root(self, name: str, foreign: str = "", *, kind: SpanKind = SpanKind.SERVER) -> Root:
        """Begin a trace of our own; a foreign traceparent (the sender's) is linked, never continued."""
        trace_id = random.getrandbits(128) or 1
        if trace_id & 0xFFFF_FFFF_FFFF_FFFF >= self._bound or self._tracer is None or self._ids is None:
            text = f"{trace_id:032x}"
            return Root(text, f"00-{text}-{random.getrandbits(64) or 1:016x}-00", None)
        self._ids.next_trace_id = trace_id
        context = parse(foreign)
        links = [Link(context)] if context is not None else None
        span = self._tracer.start_span(name, context=Context(), kind=kind, links=links)
        return Root(f"{trace_id:032x}", traceparent_of(span), span)

    def item(
        self,
        name: str,
        traceparent: str,
        *,
        kind: SpanKind = SpanKind.SERVER,
        links: Sequence[Link] = (),
        start_ns: int | None = None,
    ) -> Span | None:
        """Return a span below `traceparent` if its trace is sampled, else None."""
        if self._tracer is None or traceparent[-1:] not in _SAMPLED:
            return None
        parent = parse(traceparent)
        if parent is None:
            return None
        above = trace.set_span_in_context(NonRecordingSpan(parent), Context())
        return self._tracer.start_span(name, context=above, kind=kind, links=links, start_time=start_ns)

    def batch(self, name: str, spans: Sequence[Span], attributes: Mapping[str, AttributeValue]) -> Span | None:
        """Return a span of its own trace for a command that serves a batch, linked to the sampled items in it."""
        if self._tracer is None or not spans:
            return None
        links = [Link(span.get_span_context()) for span in spans[:LINKS_MAX]]
        return self._tracer.start_span(
            name, context=Context(), kind=SpanKind.CLIENT, links=links, attributes=dict(attributes)
        )

    def shutdown(self) -> None:
        """Export what is left, within two seconds: a receiver that is away must not hold up a drain."""
        if self._provider is not None:
            last = threading.Thread(target=self._provider.shutdown, daemon=True)
            last.start()
            last.join(_SHUTDOWN_S_MAX)


class MaskingExporter(SpanExporter):
    """Exports through another exporter what may be seen outside."""

    def __init__(self, exporter: SpanExporter) -> None:
        """Hand spans to `exporter`."""
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans, masked; in the exporter's own thread, so no request waits for it."""
        return self._exporter.export([_masked(span) for span in spans])

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what the exporter holds back."""
        return self._exporter.force_flush(timeout_millis)


def _masked(span: ReadableSpan) -> ReadableSpan:
    given = span.attributes or {}
    attributes = masking.attributes(given)
    description = span.status.description
    if attributes == given and not span.events and not description:
        return span
    events = [Event(each.name, masking.attributes(each.attributes or {}), each.timestamp) for each in span.events]
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, masking.error(description) if description else None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def configure(process: str, *, exporter: SpanExporter | None = None) -> Tracing:
    """Return the tracing of a process as the standard OTEL_* variables say; without an endpoint nothing is exported."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Tracing(None, ratio=0)
    chosen = exporter or otlp.span_exporter()
    if chosen is None:
        return Tracing(None, ratio=0)
    ids = _PresetIds()
    # The root decides by ratio in `Tracing.root`; everything that reaches the provider has been decided already.
    provider = TracerProvider(
        sampler=ALWAYS_ON, resource=resource.describe(process), id_generator=ids, shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(MaskingExporter(chosen)))
    return Tracing(provider, ratio=_ratio_from_environment(), ids=ids)


def parse(traceparent: str) -> SpanContext | None:
    """Return the context a W3C traceparent names, None if it is malformed."""
    matched = _TRACEPARENT.fullmatch(traceparent)
    if matched is None:
        return None
    context = SpanContext(
        int(matched[1], 16), int(matched[2], 16), is_remote=True, trace_flags=TraceFlags(int(matched[3], 16))
    )
    return context if context.is_valid else None


def traceparent_of(span: Span) -> str:
    """Return a span's W3C traceparent."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _ratio_from_environment() -> float:
    sampler = os.environ.get("OTEL_TRACES_SAMPLER", "parentbased_traceidratio").lower()
    if sampler.endswith("always_on"):
        return 1.0
    if sampler.endswith("always_off"):
        return 0.0
    try:
        ratio = float(os.environ.get("OTEL_TRACES_SAMPLER_ARG", DEFAULT_RATIO))
    except ValueError:
        ratio = DEFAULT_RATIO
    return DEFAULT_RATIO if math.isnan(ratio) else min(max(ratio, 0.0), 1.0)
