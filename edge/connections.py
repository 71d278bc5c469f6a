"""Connections from anybody: how many there may be, how long a request's head may take, and what garbage is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry, Counter, Gauge

from edge.client_address import is_in
from edge.networks import Network
from edge.one_task import loop_of_connections
from edge.problems import problem
from edge.spreading import Spread
from edge.webhooks import Handler, RequestIds
from mesh.metrics import Counts

_HANDSHAKE_S_MAX: Final = 5.0
_HEADERS_MAX: Final = 100
_BAD_REQUEST: Final = 400
# An application's handlers of POST requests for exactly these paths. They are called without its routing, which costs
# a tenth of such a request; it has to have the same routes for what is asked for in another way.
DIRECT: Final = web.AppKey("direct", Mapping[str, Handler])


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Bounds of one worker.

    Attributes:
        total_max: connections at once.
        per_address_max: connections at once from one address; 0 is no bound.
        exempt: networks whose addresses have no bound of their own: proxies, which stand for many.
        head_s_max: seconds from a connection's beginning to the end of its first request's headers, up to a quarter
            more.
        idle_s_max: seconds from an answer to the end of the next request's headers.
    """

    total_max: int
    per_address_max: int
    exempt: Sequence[Network]
    head_s_max: float
    idle_s_max: float


class Connections:
    """Counts the open connections of one worker."""

    def __init__(self, limits: ConnectionLimits, ids: RequestIds, registry: CollectorRegistry) -> None:
        """Hold connections to `limits`."""
        self.limits = limits
        self.ids = ids
        self._by_address: dict[str, int] = {}
        self._open = 0
        self._spread = Spread()
        self._refused = Counts("connections_refused", "Connections closed at once, by the limit.", ("limit",), registry)
        for limit in ("total", "address"):
            # Seen from the start, so that the first refusal is an increase.
            self._refused.add(limit, by=0)
        self._malformed = Counter("requests_malformed", "Requests that were no HTTP.", registry=registry)
        gauge = Gauge("connections_open", "Connections open now.", registry=registry)
        gauge.set_function(lambda: self._open)

    def admit(self, address: str) -> bool:
        """Take a connection in; False where it has to be closed."""
        limits = self.limits
        if self._open >= limits.total_max:
            self._refused.add("total")
            return False
        most = limits.per_address_max
        if most and self._by_address.get(address, 0) >= most and not is_in(address, limits.exempt):
            self._refused.add("address")
            return False
        self._open += 1
        self._by_address[address] = self._by_address.get(address, 0) + 1
        return True

    def head_s(self) -> float:
        """Return how long the next connection has for its first headers; those that come together end apart."""
        return self._spread.of(self.limits.head_s_max)

    def release(self, address: str) -> None:
        """Let an admitted connection go."""
        self._open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def malformed(self) -> web.Response:
        """Return the answer to what is no HTTP; nothing of it is repeated."""
        self._malformed.inc()
        detail = "This is not a well-formed HTTP/1.1 request."
        response = problem(_BAD_REQUEST, "INVALID_FIELD", detail, request_id=self.ids.next(), trace_id="")
        response.force_close()
        return response


class _Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_address", "_connections")

    def __init__(self, manager: web.Server, connections: Connections, **arguments: Any) -> None:
        super().__init__(manager, **arguments)
        self._connections = connections
        self._address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection in, or close it before anything is read."""
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        if not self._connections.admit(address):
            cast("asyncio.Transport", transport).abort()
            return
        self._address = address
        super().connection_made(transport)
        # aiohttp waits for the first request as long as for a next one.
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        self._next_keepalive_close_time = self._loop.time() + self._connections.head_s()
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let the connection go."""
        if self._address is not None:
            self._connections.release(self._address)
            self._address = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what couldn't be parsed in the one form of all errors; aiohttp would repeat it."""
        if isinstance(exc, HttpProcessingError):
            return self._connections.malformed()
        return super().handle_error(request, status, exc, message)


class _Server(web.Server):
    """Makes a connection of ours for each one accepted."""

    def __init__(self, connections: Connections, handler: Any, **arguments: Any) -> None:
        super().__init__(handler, **arguments)
        self._of = connections
        self._seen_loop = loop_of_connections(self._loop)

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._of, loop=self._seen_loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on connections that are held to their limits."""

    __slots__ = ("_connections", "_direct")

    def __init__(self, app: web.Application, connections: Connections, *, shutdown_timeout: float) -> None:
        """Serve `app`; at the end, running requests get `shutdown_timeout` seconds."""
        super().__init__(
            app,
            access_log=None,
            # Inflated bytes are not the signed ones.
            auto_decompress=False,
            keepalive_timeout=connections.limits.idle_s_max,
            max_headers=_HEADERS_MAX,
            shutdown_timeout=shutdown_timeout,
        )
        self._connections = connections
        self._direct = app.get(DIRECT, {})

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            self._connections,
            _direct_first(self._direct, made.request_handler),
            request_factory=made.request_factory,
            loop=made._loop,  # noqa: SLF001 - what its maker has just given it
            **made._kwargs,  # noqa: SLF001 - the same
        )


def _direct_first(direct: Mapping[str, Handler], routed: Any) -> Any:
    def handle(request: web.Request) -> Awaitable[web.StreamResponse]:
        handler = direct.get(request.raw_path)
        if handler is None or request.method != "POST" or hdrs.EXPECT in request.headers:
            answer: Awaitable[web.StreamResponse] = routed(request)
            return answer
        return handler(request)

    return handle if direct else routed


class Site(web.SockSite):
    """Listens on a socket; a TLS handshake has a deadline, too."""

    async def start(self) -> None:
        """Accept connections from now on."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None  # noqa: S101 - the runner is set up
        self._server = await asyncio.get_running_loop().create_server(
            server,
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=_HANDSHAKE_S_MAX if self._ssl_context is not None else None,
        )


def site(runner: web.AppRunner, listening: Any, *, backlog: int, context: ssl.SSLContext | None) -> Site:
    """Return a site for `runner` on a listening socket, with TLS where there is a context."""
    return Site(runner, listening, backlog=backlog, ssl_context=context)
