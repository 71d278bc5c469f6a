"""The hot path: a webhook comes in, is verified over its exact bytes, joins a batch, and is answered when durable."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web
from opentelemetry.trace import StatusCode

from edge.answers import QUARANTINED, answering
from edge.bodies import BodyReader
from edge.certificates import Certificates
from edge.incidents import Incidents
from edge.limits import Limits, rate_limited
from edge.metrics import WebhookMetrics
from edge.model import Answer, Delivery
from edge.problems import bug, of_fault, send_again
from edge.readiness import Readiness
from edge.sources import Source
from edge.waiting import Waiting
from mesh.batching import Batcher
from mesh.errors import Fault, Kind
from mesh.logs import line_writer
from mesh.tracing import Root, Tracing
from providers.contract import Certified, Refused, Verified

Handler = Callable[[web.Request], Awaitable[web.Response]]
# Source, outcome, status, request id, trace, seconds it took.
Answered = tuple[str, str, int, str, Root, float]

_HEADER_BYTES_MAX: Final = 4_096
_TRACEPARENT_CHARACTERS: Final = 55
_ERROR: Final = 400


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
        certificates: Certificates,
        limits: Limits,
        batcher: Batcher[Delivery, Answer],
        ids: RequestIds,
        readiness: Readiness,
        tracing: Tracing,
        metrics: WebhookMetrics,
        incidents: Incidents,
        waiting: Waiting,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """Serve with these parts, all of them the process's own."""
        self._bodies = bodies
        self._certificates = certificates
        self._limits = limits
        self._batcher = batcher
        self._ids = ids
        self._readiness = readiness
        self._tracing = tracing
        self._metrics = metrics
        self._incidents = incidents
        self._waiting = waiting
        self._log = log
        self._line = line_writer(log, "webhook")
        self._unaccounted: deque[Answered] = deque()

    def handler(self, source: Source) -> Handler:
        """Return the aiohttp handler of a source: what depends on the source is looked up now, not per request."""
        span_name = f"POST /webhooks/{source.name}"
        answered = answering(source.provider)
        verified = self._verified_by_certificate if isinstance(source.provider, Certified) else self._verified
        limit = self._limits.verified if self._limits.verified.on else None
        waits = source.provider.native

        async def handle(request: web.Request) -> web.Response:
            started = time.perf_counter()
            request_id = self._ids.next()
            root = self._tracing.root(span_name, request.headers.get("traceparent", "")[:_TRACEPARENT_CHARACTERS])
            delivery = None
            try:
                believed = await verified(request, source, request_id, root)
                if limit is not None:
                    await limit.demand(source.name)
                delivery = believed
                answer = await self._batcher.submit(delivery, size=len(delivery.body))
                response, outcome = answered(answer, source.name, request_id, root.trace_id)
                if outcome in QUARANTINED:
                    self._alert(source.name, outcome, answer, request_id, root, status=response.status)
                if waits and "Prefer" in request.headers:
                    await self._waiting.add(response, answer, source.name, request.headers.getall("Prefer"))
            except Fault as fault:
                response, outcome = await self._refusal(fault, request, delivery, request_id, root)
            except Exception:  # noqa: BLE001 - logged with its traceback, and answered like every error
                response = bug(span_name, request_id=request_id, trace_id=root.trace_id)
                outcome = "internal"
            if not self._readiness.ready:
                # On the way out: the sender's next request should go elsewhere, not into a closing connection.
                response.force_close()
            duration_s = time.perf_counter() - started
            self._account_later((source.name, outcome, response.status, request_id, root, duration_s))
            return response

        return handle

    async def _verified(self, request: web.Request, source: Source, request_id: str, root: Root) -> Delivery:
        if not source.secrets:
            raise _off()
        body = await self._bodies.read(request)
        now_s = time.time()
        try:
            verified = source.provider.verify(body, request.headers, source.secrets, now_s=now_s, window=source.window)
        except Refused as refused:
            raise _fault(refused) from None
        return self._delivery(verified, request, source, now_s=now_s, request_id=request_id, root=root)

    async def _verified_by_certificate(
        self, request: web.Request, source: Source, request_id: str, root: Root
    ) -> Delivery:
        """Verify where the provider signs with a certificate that has to be fetched; only such sources pay for it."""
        provider, headers = source.provider, request.headers
        assert isinstance(provider, Certified)  # noqa: S101 - decided once, when the handler was built
        if not source.secrets:
            raise _off()
        body = await self._bodies.read(request)
        try:
            url = provider.certificate_url(headers)
            chain = await self._certificates.chain(url)
            # The secrets and the time are those of now, not of before the fetch.
            now_s = time.time()
            verified = provider.verify_certified(
                body, headers, source.secrets, chain=chain, now_s=now_s, window=source.window
            )
        except Refused as refused:
            raise _fault(refused) from None
        self._certificates.believe(url)
        return self._delivery(verified, request, source, now_s=now_s, request_id=request_id, root=root)

    def _delivery(
        self, verified: Verified, request: web.Request, source: Source, *, now_s: float, request_id: str, root: Root
    ) -> Delivery:
        kept = []
        headers, provider = request.headers, source.provider
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

    async def _refusal(
        self, fault: Fault, request: web.Request, delivery: Delivery | None, request_id: str, root: Root
    ) -> tuple[web.Response, str]:
        if delivery is not None:
            # What goes wrong after it is verified is not the sender's doing, whatever the fault's kind.
            response = send_again(fault, request_id=request_id, trace_id=root.trace_id)
            return response, fault.reason.lower()
        if fault.reason == "SIGNATURE_INVALID" and self._limits.unverified.on:
            # Asked only now: nothing that verifies is ever refused for what others sent from its address.
            wait_s = await self._limits.unverified.hit(self._limits.addresses.of(request))
            if wait_s is not None:
                fault = rate_limited(wait_s)
        return of_fault(fault, request_id=request_id, trace_id=root.trace_id), fault.reason.lower()

    def _alert(self, source: str, outcome: str, answer: Answer, request_id: str, root: Root, *, status: int) -> None:
        """Say what a person has to look at; it waits in the ledger's quarantine."""
        self._metrics.quarantined(source, outcome)
        if status < _ERROR:
            # Acknowledged all the same, or it would be counted with the answers that are errors.
            self._incidents.note(
                outcome.upper(), status=status, where=source, request_id=request_id, trace_id=root.trace_id
            )
        fields = {event.conflict_field for event in answer.events} | {name for name, _ in answer.errors}
        self._log.warning(
            "quarantined",
            request_id=request_id,
            trace_id=root.trace_id,
            source=source,
            outcome=outcome,
            fields=sorted(fields - {""}),
        )

    def _account_later(self, answered: Answered) -> None:
        """Account for an answer in the loop's next turn: all answers of a batch leave before any is accounted for."""
        if not self._unaccounted:
            asyncio.get_running_loop().call_soon(self._account_all)
        self._unaccounted.append(answered)

    def _account_all(self) -> None:
        unaccounted = self._unaccounted
        try:
            while unaccounted:
                self._account(unaccounted.popleft())
        finally:
            # Only where one could not be accounted for: the loop logs why, and the others must not be lost with it.
            if unaccounted:
                asyncio.get_running_loop().call_soon(self._account_all)

    def _account(self, answered: Answered) -> None:
        source, outcome, status, request_id, root, duration_s = answered
        self._metrics.answered(source, outcome, status, duration_s)
        self._line(
            {
                "request_id": request_id,
                "trace_id": root.trace_id,
                "source": source,
                "outcome": outcome,
                "status": status,
                "duration_ms": round(duration_s * 1000, 3),
            }
        )
        if status >= _ERROR:
            self._incidents.note(
                outcome.upper(), status=status, where=source, request_id=request_id, trace_id=root.trace_id
            )
        span = root.span
        if span is not None:
            self._metrics.sampled(span, duration_s)
            span.set_attribute("http.request.method", "POST")
            span.set_attribute("http.response.status_code", status)
            span.set_attribute("autopay.source", source)
            span.set_attribute("autopay.outcome", outcome)
            if status >= 500:  # noqa: PLR2004 - HTTP's server errors
                span.set_status(StatusCode.ERROR, outcome)
            span.end()


def _off() -> Fault:
    message = "No such source is configured here, or it has no active secret."
    return Fault(kind=Kind.NOT_FOUND, reason="SOURCE_UNKNOWN", message=message)


def _fault(refused: Refused) -> Fault:
    return Fault(kind=Kind.FORBIDDEN, reason=refused.reason, message=refused.message)
