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

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, TraceFlags

from mesh import masking, otlp, resource
from mesh.spans import Exporting, ItemSpan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.util.types import AttributeValue

LINKS_MAX: Final = 128
DEFAULT_RATIO: Final = 0.05
_SHUTDOWN_S_MAX: Final = 2.0
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
# The lowest bit of the flags says sampled; others, like "the id is random" (2), may be set beside it.
_SAMPLED: Final = frozenset("13579bdf")
_RANDOM_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED | 2)


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

    def __init__(self, exporting: Exporting | None, *, ratio: float, processor: SpanProcessor | None = None) -> None:
        """Make spans for `exporting`, or only hand out ids where it is None; `processor` is shut down at the end."""
        self._exporting = exporting
        self._processor = processor
        self._bound = TraceIdRatioBased.get_bound_for_rate(ratio) if exporting is not None else 0

    def root(self, name: str, foreign: str = "", *, kind: SpanKind = SpanKind.SERVER) -> Root:
        """Begin a trace of our own; a foreign traceparent (the sender's) is linked, never continued."""
        trace_id = random.getrandbits(128) or 1
        if trace_id & 0xFFFF_FFFF_FFFF_FFFF >= self._bound or self._exporting is None:
            text = f"{trace_id:032x}"
            return Root(text, f"00-{text}-{random.getrandbits(64) or 1:016x}-00", None)
        context = parse(foreign) if foreign else None
        links = (Link(context),) if context is not None else ()
        span = ItemSpan(name, _own(trace_id, _RANDOM_SAMPLED), self._exporting, kind=kind, links=links)
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
        if self._exporting is None or traceparent[-1:] not in _SAMPLED:
            return None
        parent = parse(traceparent)
        if parent is None:
            return None
        context = _own(parent.trace_id, parent.trace_flags)
        return ItemSpan(name, context, self._exporting, kind=kind, parent=parent, links=links, start_ns=start_ns)

    def batch(self, name: str, spans: Sequence[Span], attributes: Mapping[str, AttributeValue]) -> Span | None:
        """Return a span of its own trace for a command that serves a batch, linked to the sampled items in it."""
        if self._exporting is None or not spans:
            return None
        links = [Link(span.get_span_context()) for span in spans[:LINKS_MAX]]
        context = _own(random.getrandbits(128) or 1, _RANDOM_SAMPLED)
        return ItemSpan(name, context, self._exporting, kind=SpanKind.CLIENT, links=links, attributes=attributes)

    def shutdown(self) -> None:
        """Export what is left, within two seconds: a receiver that is away must not hold up a drain."""
        if self._processor is not None:
            last = threading.Thread(target=self._processor.shutdown, daemon=True)
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
    processor = BatchSpanProcessor(MaskingExporter(chosen))
    exporting = Exporting(resource.describe(process), InstrumentationScope("autopay"), processor.on_end)
    return Tracing(exporting, ratio=_ratio_from_environment(), processor=processor)


def _own(trace_id: int, flags: TraceFlags) -> SpanContext:
    return SpanContext(trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=flags)


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
