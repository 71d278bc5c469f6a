"""How a worker listens: one application on a socket, its connections held to their limits."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from edge import unserved
from edge.bodies import BODY_BYTES_MAX
from edge.connections import DIRECT, ConnectionLimits, Connections, Runner, site
from edge.networks import networks_of
from edge.problems import problem
from edge.settings import EdgeSettings
from edge.sources import Source
from edge.webhooks import RequestIds, Webhooks

_BACKLOG: Final = 4_096
_KEEPALIVE_S: Final = 75
# The admin port is for probes and Prometheus.
INSIDE: Final = ConnectionLimits(total_max=256, per_address_max=0, exempt=(), head_s_max=10.0, idle_s_max=_KEEPALIVE_S)


def application(
    configured: Mapping[str, Source],
    webhooks: Webhooks,
    routes: Sequence[web.RouteDef],
    ids: RequestIds,
) -> web.Application:
    """Return the public application."""
    app = web.Application(client_max_size=BODY_BYTES_MAX)

    async def unknown_source(request: web.Request) -> web.Response:
        del request
        detail = "No such source is configured here, or it has no active secret."
        return problem(404, "SOURCE_UNKNOWN", detail, request_id=ids.next(), trace_id="")

    # Each has a route of its own, found by one look into a table; one that is off now may get a secret later.
    by_source = [(source, webhooks.handler(source)) for source in configured.values()]
    app[DIRECT] = {path: handler for source, handler in by_source for path in source.paths}
    for path, handler in app[DIRECT].items():
        app.router.add_post(path, handler)
    app.router.add_post("/webhooks/{source}", unknown_source)
    app.add_routes(routes)
    unserved.add(app, ids)
    return app


async def run(
    app: web.Application,
    listening: socket.socket,
    stack: AsyncExitStack,
    connections: Connections,
    *,
    grace_s: float,
    context: ssl.SSLContext | None = None,
) -> web.AppRunner:
    """Serve an application on a socket until the stack ends, with TLS where there is a context."""
    runner = Runner(app, connections, shutdown_timeout=grace_s)
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await site(runner, listening, backlog=_BACKLOG, context=context).start()
    return runner


def limits_of(settings: EdgeSettings) -> ConnectionLimits:
    """Return the limits of the public port."""
    return ConnectionLimits(
        total_max=settings.connections_max,
        per_address_max=settings.address_connections_max,
        exempt=networks_of(settings.trusted_proxies),
        head_s_max=settings.header_timeout_s,
        idle_s_max=_KEEPALIVE_S,
    )


def address_of(listening: socket.socket) -> str:
    """Return where a socket listens, HOST:PORT."""
    host, port = listening.getsockname()[:2]
    return f"{host}:{port}"


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell bugs from bytes that are no HTTP: any stranger could fill the log with tracebacks of those."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)
