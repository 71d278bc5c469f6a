"""A batch's sampled items: a span each, and one of them named beside the time the batch took."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from mesh import tracing
from mesh.tracing import Tracing
from services.ledger.metrics import LedgerMetrics
from services.ledger.model import Disposition, Item, ItemResult
from services.ledger.spans import SpanMaker
from tests.fakes.ledger_items import item

SAMPLED, UNSAMPLED = (f"00-{7:032x}-{9:016x}-{flags}" for flags in ("01", "00"))


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Tracing:
    """Tracing that exports into memory."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    return tracing.configure("ledger", exporter=InMemorySpanExporter())


def exemplars(traces: Tracing, items: Sequence[Item]) -> list[str]:
    """Write a batch of these items and return what a scrape shows beside its buckets."""
    registry = CollectorRegistry()
    metrics = LedgerMetrics(registry)
    spans = SpanMaker(traces, metrics).begin(items)
    results = [ItemResult(disposition=Disposition.RECORDED) for _ in items]
    spans.end(results)
    metrics.written(results, 0.0)
    lines = generate_latest(registry).decode().splitlines()  # type: ignore[no-untyped-call]
    return [line.partition(" # ")[2] for line in lines if "_bucket" in line and " # " in line]


def test_a_sampled_item_is_named_beside_the_batchs_time(traces: Tracing) -> None:
    """One bucket has one exemplar, of the first sampled item's trace."""
    items = [item("d-1", traceparent=UNSAMPLED), item("d-2", traceparent=SAMPLED)]
    [shown] = exemplars(traces, items)
    assert f'trace_id="{7:032x}"' in shown


def test_a_batch_without_sampled_items_names_nothing(traces: Tracing) -> None:
    """What is not sampled is in no exemplar."""
    assert exemplars(traces, [item("d-1", traceparent=UNSAMPLED)]) == []
