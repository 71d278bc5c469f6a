"""A call to the model shows as OpenTelemetry's conventions name it, and never what was said."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition

from mesh import tracing
from services.insight.circuit import Circuit
from services.insight.explaining_metrics import ExplainingMetrics
from services.insight.model_ports import Generated, ModelDown, Prompt
from services.insight.observed_model import ObservedModel
from tests.fakes.gemini import MODEL_VERSION
from tests.unit.insight.prompts import ScriptedModel, answer, down

SECRET = "the-content-of-a-prompt"


def asking() -> Prompt:
    """A prompt whose content would be recognised."""
    return Prompt(instruction=SECRET, data=SECRET, schema={"type": SECRET}, output_tokens_max=10)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Every trace is sampled."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    return InMemorySpanExporter()


@pytest.fixture
def circuit() -> Circuit:
    """A closed circuit."""
    return Circuit(failures_max=1, open_s=60, clock=lambda: 0.0)


async def called(model: object, spans: InMemorySpanExporter, metrics: ExplainingMetrics) -> None:
    """Make one call, however it ends."""
    traces = tracing.configure("insight", exporter=spans)
    observed = ObservedModel(model, name="gemini-x", tracing=traces, observer=metrics)  # type: ignore[arg-type] # cases
    with suppress(ModelDown):
        await observed.generate(asking(), timeout_s=1)
    traces.shutdown()


async def test_an_answer_is_a_span_and_metrics(spans: InMemorySpanExporter, circuit: Circuit) -> None:
    """Names, provider, models, finish reason and tokens are there; prompt and answer are not."""
    registry = CollectorRegistry()
    metrics = ExplainingMetrics(registry, circuit)
    await called(ScriptedModel(lambda _: answer(SECRET)), spans, metrics)
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind) == ("generate_content gemini-x", SpanKind.CLIENT)
    attributes = dict(span.attributes or {})
    # A list or a tuple, by the version of the package.
    assert list(attributes.pop("gen_ai.response.finish_reasons")) == ["STOP"]  # type: ignore[arg-type] # of text
    assert attributes == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-x",
        "gen_ai.output.type": "json",
        "gen_ai.response.model": MODEL_VERSION,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 40,
    }
    page = generate_latest(registry).decode()
    assert 'gen_ai_client_operation_duration_seconds_count{error_type=""' in page
    common = (
        'gen_ai_operation_name="generate_content",gen_ai_provider_name="gcp.gemini",gen_ai_request_model="gemini-x"'
    )
    assert f'gen_ai_client_token_usage_sum{{{common},gen_ai_token_type="input"}} 100.0' in page
    assert f'gen_ai_client_token_usage_sum{{{common},gen_ai_token_type="output"}} 40.0' in page
    assert SECRET not in span.to_json() + page
    context = span.context
    assert context is not None
    shown = exposition.generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    assert shown.count(f'# {{span_id="{context.span_id:016x}",trace_id="{context.trace_id:032x}"}}') == 1


async def test_a_failure_says_which(spans: InMemorySpanExporter, circuit: Circuit) -> None:
    """The span is an error with its type, and so is the duration's label."""
    registry = CollectorRegistry()
    await called(ScriptedModel(down("429")), spans, ExplainingMetrics(registry, circuit))
    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "429"
    assert span.status.status_code is StatusCode.ERROR
    assert 'error_type="429"' in generate_latest(registry).decode()


async def test_a_cancelled_call_is_shown_too(spans: InMemorySpanExporter, circuit: Circuit) -> None:
    """Somebody gave up: that is a duration as well."""

    class Hanging:
        async def generate(self, prompt: Prompt, *, timeout_s: float) -> Generated:
            await asyncio.sleep(60)
            raise AssertionError

    registry = CollectorRegistry()
    task = asyncio.create_task(called(Hanging(), spans, ExplainingMetrics(registry, circuit)))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert 'error_type="cancelled"' in generate_latest(registry).decode()


def test_the_circuit_is_a_gauge(circuit: Circuit) -> None:
    """0 closed, 2 open."""
    registry = CollectorRegistry()
    ExplainingMetrics(registry, circuit)
    assert registry.get_sample_value("insight_gemini_circuit") == 0
    circuit.failed()
    assert registry.get_sample_value("insight_gemini_circuit") == 2
