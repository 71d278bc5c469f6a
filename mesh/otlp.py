"""Which OTLP exporter the standard OTEL_* variables ask for, for each of the three signals."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter

Signal = Literal["traces", "metrics", "logs"]


def span_exporter() -> SpanExporter | None:
    """Return where spans go. Only the chosen exporter is imported: each costs start-up time and memory."""
    if not is_on("traces"):
        return None
    if _is_http("traces"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter as HttpExporter,
        )

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter as GrpcExporter,
    )

    return GrpcExporter(insecure=_insecure("traces"))


def metric_exporter() -> MetricExporter | None:
    """Return where metrics go."""
    if not is_on("metrics"):
        return None
    if _is_http("metrics"):
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
            OTLPMetricExporter as HttpExporter,
        )

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter as GrpcExporter,
    )

    return GrpcExporter(insecure=_insecure("metrics"))


def log_exporter() -> LogRecordExporter | None:
    """Return where log lines go, besides standard output."""
    if not is_on("logs"):
        return None
    exporter: Any
    if _is_http("logs"):
        from opentelemetry.exporter.otlp.proto.http._log_exporter import (  # noqa: PLC0415
            OTLPLogExporter as HttpExporter,
        )

        exporter = HttpExporter()
    else:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (  # noqa: PLC0415
            OTLPLogExporter as GrpcExporter,
        )

        exporter = GrpcExporter(insecure=_insecure("logs"))
    return exporter  # type: ignore[no-any-return]  # the two have no base in common that is public


def is_on(signal: Signal) -> bool:
    """Return whether a signal is exported: an endpoint is named, and neither it nor everything is switched off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp") != "none" and bool(_endpoint(signal))


def _endpoint(signal: Signal) -> str:
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    return own or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")


def _is_http(signal: Signal) -> bool:
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
    return (own or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")).startswith("http")


def _insecure(signal: Signal) -> bool | None:
    return True if _endpoint(signal).startswith("http://") else None
