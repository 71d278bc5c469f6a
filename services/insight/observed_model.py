"""A model whose calls are seen: a span and metrics per call by OpenTelemetry's names for GenAI, never their content."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, Protocol

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from mesh.tracing import Tracing
from services.insight.model_ports import Generated, GenerativeModel, ModelDown, Prompt

OPERATION: Final = "generate_content"
PROVIDER: Final = "gcp.gemini"


class CallObserver(Protocol):
    """Is told of calls, for metrics."""

    def called(
        self, *, model: str, duration_s: float, generated: Generated | None, error: str, span: Span | None
    ) -> None:
        """One call ended: with an answer, or with an error's short name; `span` is its own where it is sampled."""


class ObservedModel:
    """Shows the calls of another model."""

    def __init__(self, model: GenerativeModel, *, name: str, tracing: Tracing, observer: CallObserver) -> None:
        """Show calls of `model`, which is asked for by `name`."""
        self._model = model
        self._name = name
        self._tracing = tracing
        self._observer = observer

    async def generate(self, prompt: Prompt, *, timeout_s: float) -> Generated:
        """Call it.

        Raises:
            ModelDown: as it says.
        """
        span = self._tracing.root(f"{OPERATION} {self._name}", kind=SpanKind.CLIENT).span
        started = time.perf_counter()
        generated: Generated | None = None
        error = "cancelled"
        try:
            generated = await self._model.generate(prompt, timeout_s=timeout_s)
            error = ""
            return generated
        except ModelDown as down:
            error = down.code
            raise
        finally:
            duration_s = time.perf_counter() - started
            self._observer.called(model=self._name, duration_s=duration_s, generated=generated, error=error, span=span)
            if span is not None:
                span.set_attributes(self._attributes(generated, error))
                if error:
                    span.set_status(Status(StatusCode.ERROR))
                span.end()

    def _attributes(self, generated: Generated | None, error: str) -> Mapping[str, str | int | list[str]]:
        attributes: dict[str, str | int | list[str]] = {
            "gen_ai.operation.name": OPERATION,
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": self._name,
            "gen_ai.output.type": "json",
        }
        if error:
            attributes["error.type"] = error
        if generated is not None:
            attributes["gen_ai.response.model"] = generated.model_version
            attributes["gen_ai.response.finish_reasons"] = [generated.blocked or generated.finish]
            attributes["gen_ai.usage.input_tokens"] = generated.input_tokens
            attributes["gen_ai.usage.output_tokens"] = generated.output_tokens
        return attributes
