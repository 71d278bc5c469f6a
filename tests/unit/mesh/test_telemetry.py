"""Metrics and lines are pushed only where somebody asks, never hold up the end, and never grow without bound."""

from __future__ import annotations

import io
import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from mesh import logs, otlp, resource
from mesh.otlp_logs import LINES_MAX, Lines
from mesh.telemetry import Telemetry

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "METRICS_ENDPOINT", "LOGS_ENDPOINT", "PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


def threads() -> set[str]:
    """The names of the threads that run."""
    return {thread.name for thread in threading.enumerate()}


def test_without_an_endpoint_nothing_is_told() -> None:
    """No thread, no queue of lines."""
    told = Telemetry("test", CollectorRegistry())
    assert told.lines is None
    assert "telemetry" not in threads()
    told.shutdown()


def test_each_signal_has_its_own_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """`none` for one leaves the others on, and OTEL_SDK_DISABLED is all of them."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOWHERE)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    assert [otlp.is_on("traces"), otlp.is_on("metrics"), otlp.is_on("logs")] == [True, False, True]
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not otlp.is_on("traces")


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_receiver_that_is_away_does_not_hold_up_the_end(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shutting down takes two seconds at most, whatever is left to tell."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOWHERE)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    told = Telemetry("test", CollectorRegistry())
    assert told.lines is not None
    told.lines([b'{"event":"something"}'])
    started = time.monotonic()
    told.shutdown()
    assert time.monotonic() - started < 3


def test_lines_are_bounded() -> None:
    """The oldest go first."""
    waiting = Lines()
    waiting.take([b'{"event":"first"}'])
    waiting.take([b'{"event":"later"}'] * LINES_MAX)
    records = waiting.drain(resource.describe("test"))
    assert len(records) == LINES_MAX
    assert {record.log_record.body for record in records} == {"later"}
    assert waiting.drain(resource.describe("test")) == []


def test_a_line_keeps_its_time_level_fields_and_trace() -> None:
    """What was written is what is told, the trace id where OTLP has a place for it."""
    waiting = Lines()
    log = logs.configure("test", "info", io.TextIOWrapper(io.BytesIO()), also=waiting.take)
    log.warning("quarantined", trace_id="0af7651916cd43dd8448eb211c80319c", source="autopay", fields=["amount"])
    [record] = [each.log_record for each in waiting.drain(resource.describe("test"))]
    assert (record.body, record.severity_text) == ("quarantined", "warning")
    assert record.trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert dict(record.attributes or {}) == {"source": "autopay", "fields": ["amount"]}
    assert record.timestamp is not None
    assert abs(record.timestamp / 1e9 - time.time()) < 5


def test_what_the_environment_says_of_the_resource_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform names its instances itself."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-7,k8s.pod.name=pod-7")
    monkeypatch.setenv("AUTOPAY_ENV", "production")
    attributes = resource.describe("edge").attributes
    assert attributes["service.name"] == "autopay-edge"
    assert attributes["service.instance.id"] == attributes["k8s.pod.name"] == "pod-7"
    assert attributes["deployment.environment.name"] == "production"
