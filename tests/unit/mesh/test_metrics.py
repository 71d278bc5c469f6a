"""Metrics that every process shares."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from mesh import tracing
from mesh.exemplars import labels_of
from mesh.metrics import BatchMetrics, Counts, Durations, RpcMetrics


def test_a_batch_counts_its_items_and_its_wait() -> None:
    """The size histogram counts items, not entries."""
    registry = CollectorRegistry()
    BatchMetrics(registry).sent(entries=1, weight=100, waited_s=0.02)
    assert registry.get_sample_value("batch_items_sum") == 100
    assert registry.get_sample_value("batch_wait_seconds_bucket", {"le": "0.025"}) == 1
    assert registry.get_sample_value("batch_wait_seconds_bucket", {"le": "0.01"}) == 0


def test_a_call_is_counted_by_method_and_code_and_timed_by_method() -> None:
    """Refused calls stand beside answered ones; their time is the method's."""
    registry = CollectorRegistry()
    metrics = RpcMetrics(registry)
    for code in ("OK", "OK", "ABORTED"):
        metrics.observe("/a.B/C", code, 0.5)
    assert registry.get_sample_value("rpc_server_calls_total", {"method": "/a.B/C", "code": "OK"}) == 2
    assert registry.get_sample_value("rpc_server_calls_total", {"method": "/a.B/C", "code": "ABORTED"}) == 1
    assert registry.get_sample_value("rpc_server_duration_seconds_count", {"method": "/a.B/C"}) == 3


def test_counts_are_read_back_by_their_labels() -> None:
    """A labelled counter's snapshot has a value for each combination that occurred."""
    counts = Counts("things", "Things.", ("colour", "size"), CollectorRegistry())
    counts.add("red", "large")
    counts.add("red", "large", by=2)
    counts.add("blue", "small")
    assert counts.snapshot() == {("red", "large"): 3, ("blue", "small"): 1}


def test_counts_are_scraped_as_a_counter() -> None:
    """A scrape reads each combination of labels under the counter's name with `_total`."""
    registry = CollectorRegistry()
    Counts("things", "Things.", ("colour",), registry).add("red", by=3)
    assert registry.get_sample_value("things_total", {"colour": "red"}) == 3


def test_durations_are_scraped_as_a_histogram() -> None:
    """Buckets count what does not exceed their bound, all together the last; the sum is exact."""
    registry = CollectorRegistry()
    durations = Durations("wait_seconds", "Waits.", (0.1, 1.0), registry)
    for duration_s in (0.05, 0.1, 0.5, 7.0):
        durations.observe(duration_s)
    counted = [registry.get_sample_value("wait_seconds_bucket", {"le": bound}) for bound in ("0.1", "1.0", "+Inf")]
    assert counted == [2, 3, 4]
    assert registry.get_sample_value("wait_seconds_sum") == pytest.approx(7.65)
    assert registry.get_sample_value("wait_seconds_count") == 4


def test_a_sampled_duration_is_named_beside_its_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape shows the trace of the latest sampled request of each bucket, and nothing where none was sampled."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    traces = tracing.configure("edge", exporter=InMemorySpanExporter())
    first, last = (traces.root("POST /webhooks/autopay").span for _ in range(2))
    assert first is not None
    assert last is not None
    registry = CollectorRegistry()
    durations = Durations("wait_seconds", "Waits.", (0.1, 1.0), registry)
    for duration_s, span in ((0.2, first), (0.5, last), (0.05, None)):
        durations.observe(duration_s)
        if span is not None:
            durations.exemplify(duration_s, span)
    lines = generate_latest(registry).decode().splitlines()  # type: ignore[no-untyped-call]
    named = [line.partition(" # ") for line in lines if "_bucket" in line]
    assert [shown.partition("} ")[0] for _, _, shown in named] == [
        "",
        f'{{span_id="{last.get_span_context().span_id:016x}",trace_id="{last.get_span_context().trace_id:032x}"',
        "",
    ]
    assert "} 0.5 " in named[1][2]
    assert labels_of(None) is None
    traces.shutdown()
