"""The ledger's spans: one per sampled item, one for its store step, and one per Mongo command that serves the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from mesh.tracing import Tracing, traceparent_of
from services.ledger.model import Item, ItemResult


class BatchSpans:
    """The spans of one batch; almost always none."""

    def __init__(self, tracing: Tracing, spans: dict[int, Span]) -> None:
        self._tracing = tracing
        self._spans = spans

    @contextmanager
    def command(self, name: str, *, items: int) -> Iterator[None]:
        """Span a command that serves the whole batch, and below each sampled item a store span that links to it."""
        if not self._spans:
            yield
            return
        sampled = tuple(self._spans.values())
        command = self._tracing.batch(name, sampled, {"db.system.name": "mongodb", "db.operation.batch.size": items})
        links = [Link(command.get_span_context())] if command is not None else []
        stores = [
            self._tracing.item("store", traceparent_of(span), kind=SpanKind.CLIENT, links=links) for span in sampled
        ]
        try:
            yield
        finally:
            for span in (*stores, command):
                if span is not None:
                    span.end()

    def end(self, results: Sequence[ItemResult]) -> None:
        """End every item's span with what became of it."""
        for position, span in self._spans.items():
            result = results[position]
            if result.failure is not None:
                span.set_status(StatusCode.ERROR, result.failure.value)
            elif result.disposition is not None:
                span.set_attribute("autopay.disposition", result.disposition.name.lower())
            span.end()


class SpanMaker:
    """Begins the spans of batches."""

    def __init__(self, tracing: Tracing) -> None:
        """Make spans with the process's tracing."""
        self._tracing = tracing

    def begin(self, items: Sequence[Item]) -> BatchSpans:
        """Begin a span for each sampled item of a batch."""
        spans = {}
        for position, item in enumerate(items):
            span = self._tracing.item("ledger.record", item.traceparent)
            if span is not None:
                spans[position] = span
        return BatchSpans(self._tracing, spans)
