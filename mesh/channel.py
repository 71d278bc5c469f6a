"""Client channels: round-robin over health-checked backends, keepalive, and a deadline on every call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeVar

import grpc

from mesh.errors import Fault, Kind, from_rpc_error
from mesh.reloading import ReloadingChannel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from mesh.identity import Identity

ResponseT = TypeVar("ResponseT")

# Above the largest batch (256 items or 1 MiB of bodies, or one 256 KiB body alone) with its framing and answers.
MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
KEEPALIVE_TIME_MS: Final = 20_000
KEEPALIVE_TIMEOUT_MS: Final = 5_000
# gRPC asks DNS again at most this often; its default of 30 s is a long time to miss a new replica.
_DNS_INTERVAL_MS_MIN: Final = 2_000
_RECONNECT_BACKOFF_MS_MAX: Final = 1_000


def open_channel(target: str, *, service: str, identity: Identity | None = None) -> grpc.aio.Channel:
    """Open a channel to every replica behind `target` that reports itself healthy for `service`.

    Args:
        target: `host:port` or `dns:///name:port`; a headless name resolves to every replica.
        service: the full gRPC service name whose health decides whether a replica gets calls.
        identity: who we are, for mutual TLS: the server's certificate must carry the target's host name, and a
            change of ours is followed without a failed call. None is plaintext, for loopback in development.
    """
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": service},
    }
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(config)),
        # Retries are the batcher's: gRPC's own stop silently for messages over their buffer.
        ("grpc.enable_retries", 0),
        # Not shared between channels: a new one must not inherit that an address refused an earlier one.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.dns_min_time_between_resolutions_ms", _DNS_INTERVAL_MS_MIN),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_BACKOFF_MS_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ]
    if identity is None:
        return grpc.aio.insecure_channel(target, options=options)
    return ReloadingChannel(lambda shown: grpc.aio.secure_channel(target, shown, options=options), identity)


async def call(method: Callable[..., Awaitable[ResponseT]], request: object, *, timeout_s: float) -> ResponseT:
    """Call a unary method with a deadline.

    Raises:
        Fault: what the server or the channel said.
    """
    try:
        answer = await method(request, timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    # gRPC, where a deadline passes while the answer arrives, may say OK and have no message.
    if answer is None:
        raise Fault(kind=Kind.TIMEOUT, reason="NOT_DURABLE", message="The answer did not arrive in time.")
    return answer
