"""Exemplars: the trace of one sampled request beside the bucket of a histogram that it was counted in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.samples import Exemplar

if TYPE_CHECKING:
    from opentelemetry.trace import Span


def labels_of(span: Span | None) -> dict[str, str] | None:
    """Return what names a span in an exemplar, as prometheus_client's `observe` takes it; None where there is none."""
    if span is None:
        return None
    context = span.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def exemplar_of(span: Span, value: float) -> Exemplar:
    """Return the exemplar of a measured value, of now."""
    return Exemplar(labels_of(span) or {}, value, time.time())
