"""The ledger's spans: one per sampled item, one for its store step, and one per Mongo command that serves the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from mesh.tracing import Tracing, traceparent_of
from services.ledger.model import Item, ItemResult


class Sampled(Protocol):
    """Is told of a sampled item, for the exemplars of metrics."""

    def sampled(self, span: Span) -> None:
        """The item's span ends, and with it the batch."""


class BatchSpans:
    """The spans of one batch; almost always none."""

    def __init__(self, tracing: Tracing, spans: dict[int, Span], observer: Sampled | None = None) -> None:
        self._tracing = tracing
        self._spans = spans
        self._observer = observer

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
        if self._observer is not None and self._spans:
            # One stands for the batch, which they all waited for.
            self._observer.sampled(next(iter(self._spans.values())))
        for position, span in self._spans.items():
            result = results[position]
            if result.failure is not None:
                span.set_status(StatusCode.ERROR, result.failure.value)
            elif result.disposition is not None:
                span.set_attribute("autopay.disposition", result.disposition.name.lower())
            span.end()


class SpanMaker:
    """Begins the spans of batches."""

    def __init__(self, tracing: Tracing, observer: Sampled | None = None) -> None:
        """Make spans with the process's tracing, and tell `observer` of a sampled item of each batch."""
        self._tracing = tracing
        self._observer = observer

    def begin(self, items: Sequence[Item]) -> BatchSpans:
        """Begin a span for each sampled item of a batch."""
        spans = {}
        for position, item in enumerate(items):
            span = self._tracing.item("ledger.record", item.traceparent)
            if span is not None:
                spans[position] = span
        return BatchSpans(self._tracing, spans, self._observer)
