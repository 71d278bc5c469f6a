"""gRPC servers: faults become status, calls without a deadline are refused, health routes, drains finish work."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mesh.channel import KEEPALIVE_TIME_MS, MESSAGE_BYTES_MAX
from mesh.guarding import Guard, Handlers

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mesh.callers import Admission
    from mesh.identity import Identity, Material
    from mesh.metrics import RpcMetrics

_log = logging.getLogger(__name__)

# The health of this name says that the process answers at all: one that waits for its database must not be killed.
LIVENESS: Final = "liveness"
_CALLS_MAX: Final = 1_000
_DEPENDENCIES: Final = "dependency/"


class Server:
    """One gRPC server with health and, outside production, reflection."""

    def __init__(
        self,
        *,
        services: Sequence[str],
        reflect: bool,
        streamed: Collection[str] = (),
        metrics: RpcMetrics | None = None,
        admission: Admission | None = None,
    ) -> None:
        """Prepare a server for the named services; `handlers` takes their servicers before `start`.

        Args:
            services: full names, whose health is reported.
            reflect: whether the server describes itself.
            streamed: unary methods that may be called over a stream as well (`mesh.streamed`).
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
        self.handlers = Handlers(self._raw, Guard(metrics, admission), streamed=streamed)
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
