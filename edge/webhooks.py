"""The hot path: a webhook comes in, is verified over its exact bytes, joins a batch, and is answered when durable."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web
from opentelemetry.trace import StatusCode

from edge.answers import native
from edge.bodies import BodyReader
from edge.metrics import WebhookMetrics
from edge.model import Answer, Delivery
from edge.problems import bug, of_fault, send_again
from edge.readiness import Readiness
from edge.sources import Source
from mesh.batching import Batcher
from mesh.errors import Fault, Kind
from mesh.tracing import Root, Tracing
from providers.contract import Refused

Handler = Callable[[web.Request], Awaitable[web.Response]]

_HEADER_BYTES_MAX: Final = 4_096
_TRACEPARENT_CHARACTERS: Final = 55


class RequestIds:
    """Ids unique over workers, restarts and replicas: 72 random bits per process, then a count."""

    def __init__(self) -> None:
        self._prefix = secrets.token_urlsafe(9)
        self._count = 0

    def next(self) -> str:
        """Return a new id, 14 to 25 of [A-Za-z0-9_-]."""
        self._count += 1
        return f"{self._prefix}-{self._count:x}"


class Webhooks:
    """Builds the handler of each source."""

    def __init__(
        self,
        *,
        bodies: BodyReader,
        batcher: Batcher[Delivery, Answer],
        ids: RequestIds,
        readiness: Readiness,
        tracing: Tracing,
        metrics: WebhookMetrics,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """Serve with these parts, all of them the process's own."""
        self._bodies = bodies
        self._batcher = batcher
        self._ids = ids
        self._readiness = readiness
        self._tracing = tracing
        self._metrics = metrics
        self._log = log

    def handler(self, source: Source) -> Handler:
        """Return the aiohttp handler of a source."""
        span_name = f"POST /webhooks/{source.name}"

        async def handle(request: web.Request) -> web.Response:
            started = time.perf_counter()
            request_id = self._ids.next()
            root = self._tracing.root(span_name, request.headers.get("traceparent", "")[:_TRACEPARENT_CHARACTERS])
            delivery = None
            try:
                delivery = await self._verified(request, source, request_id, root)
                answer = await self._batcher.submit(delivery, size=len(delivery.body))
                response, outcome = native(answer, source=source.name, request_id=request_id, trace_id=root.trace_id)
            except Fault as fault:
                # What goes wrong after it is verified is not the sender's doing, whatever the fault's kind.
                refusal = of_fault if delivery is None else send_again
                response = refusal(fault, request_id=request_id, trace_id=root.trace_id)
                outcome = fault.reason.lower()
            except Exception:  # noqa: BLE001 - logged with its traceback, and answered like every error
                response = bug(span_name, request_id=request_id, trace_id=root.trace_id)
                outcome = "internal"
            if not self._readiness.ready:
                # On the way out: the sender's next request should go elsewhere, not into a closing connection.
                response.force_close()
            duration_s = time.perf_counter() - started
            self._account(
                source.name, outcome, response.status, request_id=request_id, root=root, duration_s=duration_s
            )
            return response

        return handle

    async def _verified(self, request: web.Request, source: Source, request_id: str, root: Root) -> Delivery:
        body = await self._bodies.read(request)
        now_s = time.time()
        provider = source.provider
        headers = request.headers
        try:
            verified = provider.verify(body, headers, source.secrets, now_s=now_s, window=source.window)
        except Refused as refused:
            raise Fault(kind=Kind.FORBIDDEN, reason=refused.reason, message=refused.message) from None
        kept = []
        for name in provider.kept_headers:
            value = headers.get(name)
            if value is not None:
                kept.append((name, value.encode("utf-8", "surrogateescape")[:_HEADER_BYTES_MAX]))
        self._metrics.key_used(source.name, verified.key_id)
        return Delivery(
            delivery_id=request_id,
            source=source.name,
            provider=provider.name,
            body=verified.body,
            headers=tuple(kept),
            key_id=verified.key_id,
            received_at_ms=int(now_s * 1000),
            signed_at_ms=0 if verified.signed_at_s is None else verified.signed_at_s * 1000,
            traceparent=root.traceparent,
        )

    def _account(
        self, source: str, outcome: str, status: int, *, request_id: str, root: Root, duration_s: float
    ) -> None:
        self._metrics.answered(source, outcome, status, duration_s)
        self._log.info(
            "webhook",
            request_id=request_id,
            trace_id=root.trace_id,
            source=source,
            outcome=outcome,
            status=status,
            duration_ms=round(duration_s * 1000, 3),
        )
        span = root.span
        if span is not None:
            span.set_attribute("http.request.method", "POST")
            span.set_attribute("http.response.status_code", status)
            span.set_attribute("autopay.source", source)
            span.set_attribute("autopay.outcome", outcome)
            if status >= 500:  # noqa: PLR2004 - HTTP's server errors
                span.set_status(StatusCode.ERROR, outcome)
            span.end()
