"""The metrics of a Prometheus registry as OTLP's, under the names that semantic conventions give them.

There is one set of instruments, Prometheus', and two ways out: nothing is counted twice, and a webhook pays once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric as Family
    from prometheus_client.samples import Exemplar as Sighting
    from prometheus_client.samples import Sample

# What OpenTelemetry's conventions have a name for; everything else is autopay.<name>.
_NAMES: Final = {
    "rpc_server_duration_seconds": "rpc.server.call.duration",
    "http_server_request_duration_seconds": "http.server.request.duration",
    "gen_ai_client_operation_duration_seconds": "gen_ai.client.operation.duration",
    "gen_ai_client_token_usage": "gen_ai.client.token.usage",
}
_LABELS: Final = {
    ("rpc_server_duration_seconds", "method"): "rpc.method",
    ("rpc_server_calls", "method"): "rpc.method",
    ("rpc_server_calls", "code"): "rpc.response.status_code",
}
_CONVENTION: Final = {
    "http_request_method": "http.request.method",
    "http_route": "http.route",
    "http_response_status_code": "http.response.status_code",
    "status": "http.response.status_code",
    "error_type": "error.type",
    "gen_ai_operation_name": "gen_ai.operation.name",
    "gen_ai_provider_name": "gen_ai.provider.name",
    "gen_ai_request_model": "gen_ai.request.model",
    "gen_ai_response_model": "gen_ai.response.model",
    "gen_ai_token_type": "gen_ai.token.type",
}
_UNITS: Final = (("_seconds", "s"), ("_bytes", "By"))
_NS: Final = 1_000_000_000
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE

Labels = tuple[tuple[str, str], ...]


def convert(registry: CollectorRegistry, resource: Resource, *, started_ns: int) -> MetricsData:
    """Return what the registry holds now, cumulative since `started_ns`."""
    now_ns = time.time_ns()
    metrics = [found for family in registry.collect() if (found := _metric(family, started_ns, now_ns)) is not None]
    scope = ScopeMetrics(scope=InstrumentationScope("autopay"), metrics=metrics, schema_url="")
    return MetricsData(
        resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url=resource.schema_url)]
    )


def name_of(family: str) -> tuple[str, str]:
    """Return the name and the unit that a Prometheus family goes by in OTLP."""
    for suffix, unit in _UNITS:
        if family.endswith(suffix):
            return _NAMES.get(family, f"autopay.{family.removesuffix(suffix)}"), unit
    return _NAMES.get(family, f"autopay.{family}"), "1"


def _metric(family: Family, started_ns: int, now_ns: int) -> Metric | None:
    data: Sum | Gauge | Histogram
    if family.type == "counter":
        points = list(_numbers(family, f"{family.name}_total", started_ns, now_ns))
        data = Sum(data_points=points, aggregation_temporality=_CUMULATIVE, is_monotonic=True)
    elif family.type == "gauge":
        data = Gauge(data_points=list(_numbers(family, family.name, started_ns, now_ns)))
    elif family.type == "histogram":
        histograms = list(_histograms(family, started_ns, now_ns))
        data = Histogram(data_points=histograms, aggregation_temporality=_CUMULATIVE)
    else:
        return None
    name, unit = name_of(family.name)
    return Metric(name=name, description=family.documentation, unit=unit, data=data) if data.data_points else None


def _numbers(family: Family, name: str, started_ns: int, now_ns: int) -> Iterator[NumberDataPoint]:
    for sample in family.samples:
        if sample.name == name:
            yield NumberDataPoint(
                attributes=_attributes(family.name, sample.labels),
                start_time_unix_nano=started_ns,
                time_unix_nano=now_ns,
                value=sample.value,
            )


def _histograms(family: Family, started_ns: int, now_ns: int) -> Iterator[HistogramDataPoint]:
    for labels, samples in _grouped(family.samples).items():
        buckets = [each for each in samples if each.name == f"{family.name}_bucket"]
        counts = [each.value for each in buckets]
        sums = [each.value for each in samples if each.name == f"{family.name}_sum"]
        below = [0.0, *counts]
        yield HistogramDataPoint(
            attributes=_attributes(family.name, dict(labels)),
            start_time_unix_nano=started_ns,
            time_unix_nano=now_ns,
            count=int(counts[-1]),
            sum=sums[0],
            # Prometheus' are cumulative, OTLP's are not.
            bucket_counts=[int(upper - lower) for lower, upper in zip(below, counts, strict=False)],
            explicit_bounds=[float(each.labels["le"]) for each in buckets[:-1]],
            # Not known, and optional on the wire.
            min=None,  # type: ignore[arg-type]
            max=None,  # type: ignore[arg-type]
            exemplars=[_exemplar(each.exemplar) for each in buckets if each.exemplar is not None],
        )


def _exemplar(exemplar: Sighting) -> Exemplar:
    labels = exemplar.labels
    return Exemplar(
        filtered_attributes={},
        value=float(exemplar.value),
        time_unix_nano=int(float(exemplar.timestamp or 0) * _NS),
        span_id=int(labels["span_id"], 16),
        trace_id=int(labels["trace_id"], 16),
    )


def _grouped(samples: Iterable[Sample]) -> Mapping[Labels, Sequence[Sample]]:
    groups: dict[Labels, list[Sample]] = {}
    for sample in samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        groups.setdefault(labels, []).append(sample)
    return groups


def _attributes(family: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    return {_label(family, name): value for name, value in labels.items()}


def _label(family: str, name: str) -> str:
    known = _LABELS.get((family, name))
    if known is not None:
        return known
    return _CONVENTION.get(name, f"autopay.{name}")
