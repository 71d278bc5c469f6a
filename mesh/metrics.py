"""Prometheus metrics shared by every process: RED per RPC, and the shape of batches."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from mesh.exemplars import exemplar_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.trace import Span
    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Exemplar

    from mesh.identity import Identity

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def serve_metrics(address: str, registry: CollectorRegistry) -> None:
    """Serve /metrics in a thread on `host:port`; an empty address is off."""
    if address:
        host, _, port = address.rpartition(":")
        start_http_server(int(port), host, registry)


def measure_process(identity: Identity | None, registry: CollectorRegistry) -> None:
    """Show what every process shows of itself, from inside its running loop."""
    measure_certificate(identity, registry)
    measure_tasks(registry)


def measure_certificate(identity: Identity | None, registry: CollectorRegistry) -> None:
    """Show when the process's certificate ends, for an alert before it does; nothing in plaintext."""
    if identity is not None:
        gauge = Gauge("tls_certificate_expiry_timestamp_seconds", "When the own certificate ends.", registry=registry)

        def expires_at_s() -> float:
            return identity.material.expires_at.timestamp()

        gauge.set_function(expires_at_s)


def measure_tasks(registry: CollectorRegistry) -> None:
    """Show how many asyncio tasks the running loop has: one that is never awaited shows as growth."""
    loop = asyncio.get_running_loop()
    gauge = Gauge("asyncio_tasks", "Tasks of the event loop.", registry=registry)
    gauge.set_function(lambda: float(len(asyncio.all_tasks(loop))))


class RpcMetrics:
    """Rate, errors and duration of the calls a server answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self._calls = Counter("rpc_server_calls", "Calls answered.", ("method", "code"), registry=registry)
        self._seconds = Histogram(
            "rpc_server_duration_seconds",
            "Time to answer a call.",
            ("method",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._children: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, code: str, duration_s: float) -> None:
        """Count one call; `method` comes from our own service tables, so its values are bounded."""
        children = self._children.get((method, code))
        if children is None:
            children = (self._calls.labels(method, code), self._seconds.labels(method))
            self._children[method, code] = children
        children[0].inc()
        children[1].observe(duration_s)


class BatchMetrics:
    """The size of batches and how long their oldest entry waited. Fits `mesh.batching.Observer`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self._sizes = Histogram("batch_items", "Items per batch sent.", buckets=_SIZES, registry=registry)
        self._waits = Histogram(
            "batch_wait_seconds",
            "Wait of a batch's oldest entry before sending.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._items = Gauge("batch_queue_items", "Entries that wait or are out.", registry=registry)
        self._bytes = Gauge("batch_queue_bytes", "Bytes of the entries that wait or are out.", registry=registry)
        self._age = Gauge("batch_queue_age_seconds", "Wait of the oldest entry not yet sent.", registry=registry)

    def watch(self, queue: Queue) -> None:
        """Show what waits in a queue, looked at when somebody scrapes."""
        for gauge, look in (
            (self._items, lambda: float(queue.waiting[0])),
            (self._bytes, lambda: float(queue.waiting[1])),
            (self._age, lambda: queue.oldest_s),
        ):
            gauge.set_function(look)

    def sent(self, *, entries: int, weight: int, waited_s: float) -> None:
        """Count one batch."""
        del entries
        self._sizes.observe(weight)
        self._waits.observe(waited_s)


class Queue(Protocol):
    """What `BatchMetrics` looks at; fits `mesh.batching.Batcher`."""

    @property
    def waiting(self) -> tuple[int, int]:
        """Entries and bytes waiting or out."""

    @property
    def oldest_s(self) -> float:
        """Seconds that the oldest entry has waited to be sent."""


class Counts:
    """A labelled counter that costs one dictionary entry: the client library's own takes a lock for each increment.

    For one thread to add to; scrapes may come from another.
    """

    def __init__(self, name: str, text: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        """Register the counter."""
        self._name, self._text, self._labels = name, text, labels
        self._values: dict[tuple[str, ...], float] = {}
        registry.register(self)

    def add(self, *values: str, by: int = 1) -> None:
        """Add `by` under these label values, which must come from a bounded set."""
        self._values[values] = self._values.get(values, 0) + by

    def snapshot(self) -> Mapping[tuple[str, ...], float]:
        """Return every value by its labels, for tests and the monitoring pages."""
        return dict(self._values)

    def collect(self) -> Iterable[Metric]:
        """Return the counter as it stands, for a scrape."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, value in self.snapshot().items():
            family.add_metric(labels, value)
        yield family


class Durations:
    """A histogram of seconds without labels, as cheap as `Counts`."""

    def __init__(self, name: str, text: str, bounds_s: Sequence[float], registry: CollectorRegistry) -> None:
        """Register the histogram; a duration counts in the first bucket whose bound it does not exceed."""
        self._name, self._text = name, text
        self._bounds_s = tuple(bounds_s)
        self._counts = [0] * (len(self._bounds_s) + 1)
        self._sum_s = 0.0
        self._exemplars: dict[int, Exemplar] = {}
        registry.register(self)

    def observe(self, duration_s: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds_s, duration_s)] += 1
        self._sum_s += duration_s

    def exemplify(self, duration_s: float, span: Span) -> None:
        """Name what took so long beside its bucket, until the next one there: for sampled requests, after `observe`."""
        self._exemplars[bisect_left(self._bounds_s, duration_s)] = exemplar_of(span, duration_s)

    def collect(self) -> Iterable[Metric]:
        """Return the histogram as it stands, for a scrape."""
        bounds = (*map(floatToGoString, self._bounds_s), "+Inf")
        # Before the counts, of which none may then be older than its exemplar.
        named = [self._exemplars.get(place) for place in range(len(bounds))]
        buckets = list(zip(bounds, accumulate(self._counts), named, strict=True))
        yield HistogramMetricFamily(
            self._name,
            self._text,
            buckets=buckets,  # type: ignore[arg-type]  # a bucket without an exemplar has None, which they forget
            sum_value=self._sum_s,
        )
