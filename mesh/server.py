"""gRPC servers: faults become status, calls without a deadline are refused, health routes, drains finish work."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mesh.channel import KEEPALIVE_TIME_MS, MESSAGE_BYTES_MAX
from mesh.errors import Fault, Kind, code_of, to_status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from mesh.callers import Admission
    from mesh.identity import Identity, Material
    from mesh.metrics import RpcMetrics

_log = logging.getLogger(__name__)

# The health of this name says that the process answers at all: one that waits for its database must not be killed.
LIVENESS: Final = "liveness"
_CALLS_MAX: Final = 1_000
_DEPENDENCIES: Final = "dependency/"
_BUG: Final = Fault(
    kind=Kind.INTERNAL,
    reason="INTERNAL",
    message="A bug on our side; the log has the traceback at this time.",
)


class Guard:
    """Wraps every handler of ours: admits the caller, demands a deadline, turns faults into status, measures.

    Stands in for the server where a generated `add_…Servicer_to_server` registers handlers, and so wraps each once. An
    interceptor would look every call's handler up and wrap it again, for a twentieth of what a call costs.
    """

    def __init__(
        self, server: grpc.aio.Server, *, metrics: RpcMetrics | None = None, admission: Admission | None = None
    ) -> None:
        """Register with `server`; measure into `metrics` where given; let in whom `admission` does, or everybody."""
        self._server = server
        self._metrics = metrics
        self._admission = admission

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Take no handler here: generated code registers the same ones by name."""

    def add_registered_method_handlers(self, service: str, methods: Mapping[str, Any]) -> None:
        """Register a service's handlers, each wrapped."""
        wrapped = {name: self._wrapped(f"/{service}/{name}", handler) for name, handler in methods.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))

    def _wrapped(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        make: Callable[..., grpc.RpcMethodHandler[Any, Any]]
        if handler.unary_unary is not None:
            make, behaviour = grpc.unary_unary_rpc_method_handler, self._unary(method, handler.unary_unary)
        elif handler.unary_stream is not None:
            make, behaviour = grpc.unary_stream_rpc_method_handler, self._stream(method, handler.unary_stream)
        else:
            make, behaviour = grpc.stream_stream_rpc_method_handler, self._stream(method, handler.stream_stream)
        return make(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(self, method: str, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def guarded(request: object, context: grpc.aio.ServicerContext[Any, Any]) -> object:
            started = time.perf_counter()
            try:
                if self._admission is not None:
                    self._admission.admit(method, context)
                _demand_deadline(context)
                answer = await behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - the one place that answers whatever a handler raises
                await self._refuse(method, context, error, started)
            else:
                self._measure(method, grpc.StatusCode.OK, started)
                return cast("object", answer)
            return None

        return guarded

    def _stream(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: object, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            started = time.perf_counter()
            try:
                if self._admission is not None:
                    self._admission.admit(method, context)
                _demand_deadline(context)
                async for answer in behaviour(request, context):
                    yield answer
            except Exception as error:  # noqa: BLE001 - as above
                await self._refuse(method, context, error, started)
            else:
                self._measure(method, grpc.StatusCode.OK, started)

        return guarded

    async def _refuse(
        self, method: str, context: grpc.aio.ServicerContext[Any, Any], error: Exception, started: float
    ) -> None:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        fault = error if isinstance(error, Fault) else _BUG
        if fault is _BUG:
            _log.error("unhandled error in %s", method, exc_info=error)
        self._measure(method, code_of(fault.kind), started)
        await context.abort_with_status(to_status(fault))

    def _measure(self, method: str, code: grpc.StatusCode, started: float) -> None:
        if self._metrics is not None:
            self._metrics.observe(method, code.name, time.perf_counter() - started)


def _demand_deadline(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    if context.time_remaining() is None:
        raise Fault(
            kind=Kind.INVALID,
            reason="DEADLINE_REQUIRED",
            message="The call has no deadline; set one (timeout), so that neither side waits for ever.",
        )


class Server:
    """One gRPC server with health and, outside production, reflection."""

    def __init__(
        self,
        *,
        services: Sequence[str],
        reflect: bool,
        metrics: RpcMetrics | None = None,
        admission: Admission | None = None,
    ) -> None:
        """Prepare a server for the named services; `handlers` takes their servicers before `start`.

        Args:
            services: full names, whose health is reported.
            reflect: whether the server describes itself.
            metrics: where calls are counted.
            admission: whom to let in over mutual TLS; None is plaintext, for loopback in development.
        """
        self._services = tuple(services)
        self._admission = admission
        self._health = health.aio.HealthServicer()
        self._health_only: grpc.aio.Server | None = None
        self._raw = grpc.aio.server(
            maximum_concurrent_rpcs=_CALLS_MAX,
            options=[
                ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                # Twice as lenient as our clients ping, or a network hiccup turns into GOAWAY too_many_pings.
                ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_TIME_MS // 2),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.max_connection_age_ms", 300_000),
                ("grpc.max_connection_age_grace_ms", 10_000),
                # Two processes on one port would split the traffic without a word.
                ("grpc.so_reuseport", 0),
            ],
        )
        self.handlers = Guard(self._raw, metrics=metrics, admission=admission)
        # Health and reflection are for everybody, and health is watched without a deadline.
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._raw)
        if reflect:
            names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._raw)

    async def start(self, address: str) -> int:
        """Listen on `host:port` (port 0 picks a free one) and return the port; not yet healthy.

        Raises:
            OSError: the address can't be bound.
        """
        credentials = None
        if self._admission is not None:
            self._admission.identity.watch()
            credentials = server_credentials(self._admission.identity)
        port = _bind(self._raw, address, credentials)
        # gRPC's own health service says SERVING for the whole server from the beginning.
        await self.set_healthy(healthy=False)
        await self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        await self._raw.start()
        return port

    async def start_health(self, address: str) -> int:
        """Serve health, and nothing else, in plaintext for probes that can't do TLS; return the port, 0 where off.

        Raises:
            OSError: the address can't be bound.
        """
        if not address:
            return 0
        self._health_only = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._health_only)
        port = _bind(self._health_only, address, None)
        await self._health_only.start()
        return port

    async def set_healthy(self, *, healthy: bool) -> None:
        """Tell clients and probes whether to send calls here."""
        status = health_pb2.HealthCheckResponse.SERVING if healthy else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in (*self._services, health.OVERALL_HEALTH):
            await self._health.set(service, status)

    async def report(self, dependency: str, *, healthy: bool) -> None:
        """Tell whoever asks for `dependency_service(dependency)` how something behind this process is."""
        status = health_pb2.HealthCheckResponse.SERVING if healthy else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(dependency_service(dependency), status)

    async def stop(self, *, grace_s: float = 0.0) -> None:
        """Take no more calls and give those that are here so long; without notice, for which there is `drain`."""
        await self._raw.stop(grace_s)

    async def drain(self, *, notice_s: float, grace_s: float) -> None:
        """Turn clients away first, wait until they have noticed, then finish the calls that are here."""
        await self.set_healthy(healthy=False)
        await asyncio.sleep(notice_s)
        await self.stop(grace_s=grace_s)
        if self._health_only is not None:
            await self._health_only.stop(None)


def dependency_service(dependency: str) -> str:
    """Return the name under which a process's health service speaks of something behind it, not of itself."""
    return f"{_DEPENDENCIES}{dependency}"


def server_credentials(identity: Identity) -> grpc.ServerCredentials:
    """Return credentials that show the identity as it is at each handshake, and demand a certificate of the client."""
    shown = identity.material

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        # Called by gRPC's own threads before each handshake; a change seen twice is handed over twice, no harm.
        nonlocal shown
        if shown is identity.material:
            return None
        shown = identity.material
        return _certificates(shown)

    return grpc.dynamic_ssl_server_credentials(
        _certificates(shown),
        renewed,  # type: ignore[arg-type]  # None is "no change", which the stubs forget
        require_client_authentication=True,
    )


def _certificates(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.certificate)], material.authorities)


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        message = f"can't listen on {address}: it is taken, or not an address of this machine"
        raise OSError(message) from error
