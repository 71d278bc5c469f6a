"""What every answer to a reader has: an id, a trace, a key with its budget, safe headers, one form of error."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog
from aiohttp import web
from opentelemetry.trace import StatusCode

from edge.api_keys import ApiKeys, Reader
from edge.incidents import Incidents
from edge.key_entries import Scope
from edge.limits import Limits
from edge.metrics import ReadMetrics
from edge.problems import SERVER, bug, of_fault
from edge.readiness import Readiness
from edge.webhooks import RequestIds
from mesh.errors import Fault
from mesh.tracing import Tracing

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Page = Callable[[web.Request], Awaitable[web.Response]]
KeyedPage = Callable[[web.Request, Reader], Awaitable[web.Response]]

# Nothing answered here is ever a page of a browser, except the documents, which bring a policy of their own.
SAFE_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": SERVER,
}
_ERROR: Final = 400
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Wraps pages into handlers.

    Attributes:
        keys: who may ask.
        limits: how much they may ask.
    """

    keys: ApiKeys
    ids: RequestIds
    readiness: Readiness
    tracing: Tracing
    log: structlog.typing.FilteringBoundLogger
    limits: Limits
    incidents: Incidents
    metrics: ReadMetrics | None = None

    def open(self, path: str, page: Page) -> web.RouteDef:
        """Return the route of a page for everybody."""

        async def ask(request: web.Request) -> tuple[web.Response, str]:
            return await page(request), ""

        return web.get(path, self._answering(path, ask))

    def keyed(self, path: str, scope: Scope, page: KeyedPage) -> web.RouteDef:
        """Return the route of a page for keys with a scope."""
        limit = self.limits.monitoring if scope is Scope.MONITORING_READ else self.limits.reads

        async def ask(request: web.Request) -> tuple[web.Response, str]:
            reader = self.keys.check(request, scope)
            await limit.demand(reader.key_id)
            return await page(request, reader), reader.key_id

        return web.get(path, self._answering(path, ask))

    def _answering(self, path: str, ask: Callable[[web.Request], Awaitable[tuple[web.Response, str]]]) -> Handler:
        name = f"GET {path}"

        async def handle(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            request_id, key_id = self.ids.next(), ""
            root = self.tracing.root(name)
            outcome = "ok"
            try:
                response, key_id = await ask(request)
            except Fault as fault:
                response = of_fault(fault, request_id=request_id, trace_id=root.trace_id)
                outcome = fault.reason.lower()
            except Exception:  # noqa: BLE001 - logged with its traceback, and answered like every error
                response = bug(name, request_id=request_id, trace_id=root.trace_id)
                outcome = "internal"
            for header, value in SAFE_HEADERS.items():
                response.headers.setdefault(header, value)
            response.headers["X-Request-Id"] = request_id
            if not self.readiness.ready:
                response.force_close()
            duration_s = time.perf_counter() - started
            if self.metrics is not None:
                self.metrics.answered(path, response.status, duration_s, root.span)
            self.log.info(
                "read",
                request_id=request_id,
                trace_id=root.trace_id,
                route=path,
                key_id=key_id,
                outcome=outcome,
                status=response.status,
                duration_ms=round(duration_s * 1000, 3),
            )
            if response.status >= _ERROR:
                self.incidents.note(
                    outcome.upper(), status=response.status, where=path, request_id=request_id, trace_id=root.trace_id
                )
            if root.span is not None:
                root.span.set_attribute("http.response.status_code", response.status)
                if response.status >= _SERVER_ERROR:
                    root.span.set_status(StatusCode.ERROR, outcome)
                root.span.end()
            return response

        return handle


def json_answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON answer that nobody keeps, unless the headers say otherwise."""
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})},
    )
