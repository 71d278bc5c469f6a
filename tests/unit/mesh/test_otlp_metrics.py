"""Prometheus' instruments as OTLP's: the same counts, the conventions' names."""

from __future__ import annotations

import time
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import AggregationTemporality
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mesh import resource
from mesh.otlp_metrics import convert, name_of


def converted(registry: CollectorRegistry) -> dict[str, Any]:
    """The registry's metrics by their names in OTLP."""
    [of_resource] = convert(registry, resource.describe("test"), started_ns=7).resource_metrics
    [scope] = of_resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def test_buckets_are_counted_apart() -> None:
    """Prometheus' buckets hold everything below, OTLP's what is between two bounds."""
    registry = CollectorRegistry()
    histogram = Histogram("rpc_server_duration_seconds", "Time.", ("method",), buckets=(1.0, 2.0), registry=registry)
    for value in (0.5, 0.6, 1.5, 9.0):
        histogram.labels("/a.B/C").observe(value)
    metric = converted(registry)["rpc.server.call.duration"]
    [point] = metric.data.data_points
    assert metric.unit == "s"
    assert list(point.bucket_counts) == [2, 1, 1]
    assert list(point.explicit_bounds) == [1.0, 2.0]
    assert (point.count, point.sum, point.start_time_unix_nano) == (4, pytest.approx(11.6), 7)
    assert point.attributes == {"rpc.method": "/a.B/C"}


def test_exemplars_go_along() -> None:
    """A bucket's exemplar names its trace and its span, with the value and the time it was measured."""
    registry = CollectorRegistry()
    histogram = Histogram("webhook_duration_seconds", "Time.", buckets=(1.0, 2.0), registry=registry)
    histogram.observe(0.5)
    before_ns = time.time_ns()
    histogram.observe(1.5, {"trace_id": f"{7:032x}", "span_id": f"{9:016x}"})
    [point] = converted(registry)["autopay.webhook_duration"].data.data_points
    [exemplar] = point.exemplars
    assert (exemplar.value, exemplar.trace_id, exemplar.span_id) == (1.5, 7, 9)
    # A float of seconds holds a time of today to half a microsecond.
    assert before_ns - 1_000 <= exemplar.time_unix_nano <= time.time_ns() + 1_000
    [sent] = encode_metrics(convert(registry, resource.describe("test"), started_ns=7)).resource_metrics
    [encoded] = sent.scope_metrics[0].metrics[0].histogram.data_points[0].exemplars
    assert (encoded.as_double, encoded.trace_id, encoded.span_id) == (1.5, (7).to_bytes(16), (9).to_bytes(8))


def test_counters_are_cumulative_sums() -> None:
    """A counter only grows, and says since when."""
    registry = CollectorRegistry()
    Counter("webhooks", "Answered.", ("source", "status"), registry=registry).labels("autopay", "200").inc(3)
    data = converted(registry)["autopay.webhooks"].data
    assert data.is_monotonic
    assert data.aggregation_temporality is AggregationTemporality.CUMULATIVE
    assert [(point.value, point.attributes) for point in data.data_points] == [
        (3.0, {"autopay.source": "autopay", "http.response.status_code": "200"})
    ]


def test_gauges_say_how_it_is_now() -> None:
    """A gauge that is a function is asked when it is told."""
    registry = CollectorRegistry()
    Gauge("batch_queue_bytes", "Bytes.", registry=registry).set_function(lambda: 5)
    metric = converted(registry)["autopay.batch_queue"]
    assert (metric.unit, metric.data.data_points[0].value) == ("By", 5.0)


def test_what_was_never_counted_is_not_told() -> None:
    """A labelled metric without a child has nothing to say."""
    registry = CollectorRegistry()
    Counter("webhooks", "Answered.", ("source",), registry=registry)
    assert converted(registry) == {}


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("gen_ai_client_token_usage", ("gen_ai.client.token.usage", "1")),
        ("http_server_request_duration_seconds", ("http.server.request.duration", "s")),
        ("batch_wait_seconds", ("autopay.batch_wait", "s")),
        ("insight_learning", ("autopay.insight_learning", "1")),
    ],
)
def test_names(family: str, name: tuple[str, str]) -> None:
    """The conventions' name where there is one, ours without its unit else."""
    assert name_of(family) == name
