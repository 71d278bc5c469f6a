"""The edge's metrics; every label comes from a bounded set."""

from __future__ import annotations

from opentelemetry.trace import Span
from prometheus_client import CollectorRegistry, Histogram

from mesh.exemplars import labels_of
from mesh.metrics import Counts, Durations

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class WebhookMetrics:
    """Rate, outcome and duration of webhooks, and which key verified them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self.registry = registry
        self._outcomes = Counts("webhooks", "Webhooks answered.", ("source", "outcome", "status"), registry)
        self._keys = Counts("webhook_key_uses", "Webhooks verified, by key id.", ("source", "key_id"), registry)
        self._quarantined = Counts(
            "webhooks_quarantined", "Webhooks kept for a person to look at.", ("source", "outcome"), registry
        )
        self._seconds = Durations("webhook_duration_seconds", "Time to answer.", _SECONDS, registry)

    def answered(self, source: str, outcome: str, status: int, duration_s: float) -> None:
        """Count one answer."""
        self._outcomes.add(source, outcome, str(status))
        self._seconds.observe(duration_s)

    def sampled(self, span: Span, duration_s: float) -> None:
        """Name the trace of an answer that was counted; only what is sampled comes here."""
        self._seconds.exemplify(duration_s, span)

    def key_used(self, source: str, key_id: str) -> None:
        """Count one verification."""
        self._keys.add(source, key_id)

    def quarantined(self, source: str, outcome: str) -> None:
        """Count one delivery that contradicts what is recorded, or that can't be processed."""
        self._quarantined.add(source, outcome)


class ReadMetrics:
    """Rate, errors and duration of reads, by route; named as OpenTelemetry's conventions name them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with `registry`."""
        self._seconds = Histogram(
            "http_server_request_duration_seconds",
            "Time to answer a read.",
            ("http_route", "http_response_status_code"),
            buckets=_SECONDS,
            registry=registry,
        )

    def answered(self, route: str, status: int, duration_s: float, span: Span | None = None) -> None:
        """Count one answer, and name its trace where it is sampled; the route is a pattern of ours, never a path."""
        self._seconds.labels(route, str(status)).observe(duration_s, labels_of(span))
