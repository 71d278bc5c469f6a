"""Metrics of explaining: calls and tokens by OpenTelemetry's names for GenAI, money, the queue, the circuit."""

from __future__ import annotations

from typing import Final

from opentelemetry.trace import Span
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mesh.exemplars import labels_of
from mesh.metrics import Counts
from services.insight.circuit import Circuit, CircuitState
from services.insight.model_ports import Generated
from services.insight.observed_model import OPERATION, PROVIDER

# The boundaries that OpenTelemetry's conventions advise.
_SECONDS: Final = tuple(0.01 * 2**step for step in range(14))
_TOKENS: Final = tuple(4**step for step in range(11))
_COMMON: Final = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_STATES: Final = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


class ExplainingMetrics:
    """Fits the observers of calls, of spending and of the worker."""

    def __init__(self, registry: CollectorRegistry, circuit: Circuit) -> None:
        """Register with `registry`, and show where `circuit` stands."""
        self._durations = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Time of a call to the model.",
            (*_COMMON, "error_type"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of a call.",
            (*_COMMON, "gen_ai_token_type"),
            buckets=_TOKENS,
            registry=registry,
        )
        self._spent = Counter("insight_gemini_usd", "US dollars spent, by the configured prices.", registry=registry)
        self._outcomes = Counts("insight_analyses", "Payments explained, by outcome.", ("outcome",), registry)
        self._age = Gauge("insight_analysis_queue_age_seconds", "Age of the payment queued longest.", registry=registry)
        state = Gauge("insight_gemini_circuit", "0 closed, 1 half-open, 2 open.", registry=registry)
        state.set_function(lambda: _STATES[circuit.state])

    def called(
        self, *, model: str, duration_s: float, generated: Generated | None, error: str, span: Span | None
    ) -> None:
        """Count a call, and name its trace where it is sampled."""
        self._durations.labels(OPERATION, PROVIDER, model, error).observe(duration_s, labels_of(span))
        if generated is not None:
            self._tokens.labels(OPERATION, PROVIDER, model, "input").observe(generated.input_tokens)
            self._tokens.labels(OPERATION, PROVIDER, model, "output").observe(generated.output_tokens)

    def spent(self, nano_usd: int) -> None:
        """Count money."""
        self._spent.inc(nano_usd / 1_000_000_000)

    def explained(self, outcome: str) -> None:
        """Count a payment."""
        self._outcomes.add(outcome)

    def queue_age(self, age_s: float) -> None:
        """Show how long the queue is behind."""
        self._age.set(age_s)
