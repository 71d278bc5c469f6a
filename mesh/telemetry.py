"""Pushes metrics and log lines by OTLP in one thread, where the standard OTEL_* variables ask for it."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from mesh import otlp, resource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client import CollectorRegistry

_log = logging.getLogger(__name__)

_LOGS_S: Final = 1.0
_METRICS_MS: Final = 60_000
_LINES_PER_EXPORT: Final = 2_000
_SHUTDOWN_S_MAX: Final = 2.0


class Telemetry:
    """What a process tells besides its traces; nothing where nobody asks."""

    def __init__(self, process: str, registry: CollectorRegistry) -> None:
        """Tell of `registry` and of the lines that `lines` is given, as `process`."""
        self._resource = resource.describe(process)
        self._started_ns = time.time_ns()
        self._registry = registry
        self._metrics = otlp.metric_exporter()
        self._logs = otlp.log_exporter()
        self._waiting = _lines() if self._logs is not None else None
        self._metrics_s = _interval_s()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        if self._metrics is not None or self._logs is not None:
            self._thread.start()

    @property
    def lines(self) -> Callable[[Sequence[bytes]], None] | None:
        """What takes log lines as they are written; None where nobody wants them."""
        return self._waiting.take if self._waiting is not None else None

    def shutdown(self) -> None:
        """Export what is left, within two seconds: a receiver that is away must not hold up a drain."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_SHUTDOWN_S_MAX)

    def _run(self) -> None:
        due_s = time.monotonic() + self._metrics_s
        while not self._stop.wait(min(_LOGS_S, self._metrics_s)):
            self._attempt(self._export_logs)
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + self._metrics_s
                self._attempt(self._export_metrics)
        self._attempt(self._export_metrics)
        self._attempt(self._export_logs)
        for exporter in (self._metrics, self._logs):
            if exporter is not None:
                self._attempt(exporter.shutdown)

    def _attempt(self, export: Callable[[], object]) -> None:
        try:
            export()
        except Exception as error:  # noqa: BLE001 - telling must not end what is told of
            _log.warning("telemetry could not be exported: %s", type(error).__name__)

    def _export_metrics(self) -> None:
        if self._metrics is not None:
            # Imported by those who export: it costs start-up time.
            from mesh.otlp_metrics import convert  # noqa: PLC0415

            self._metrics.export(convert(self._registry, self._resource, started_ns=self._started_ns))

    def _export_logs(self) -> None:
        if self._logs is None or self._waiting is None:
            return
        records = self._waiting.drain(self._resource)
        for start in range(0, len(records), _LINES_PER_EXPORT):
            self._logs.export(records[start : start + _LINES_PER_EXPORT])


def _lines() -> Any:
    from mesh.otlp_logs import Lines  # noqa: PLC0415 - as above

    return Lines()


def _interval_s() -> float:
    try:
        interval_ms = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", _METRICS_MS))
    except ValueError:
        interval_ms = _METRICS_MS
    return max(interval_ms, 100.0) / 1000
