"""Asks the processes of a mesh whether they are ready: gRPC health, and the edge's admin port."""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import grpc

_POLL_S: Final = 0.05
_ATTEMPT_S_MAX: Final = 1.0


async def until(ready: Callable[[], Awaitable[bool]]) -> None:
    """Return when `ready` says yes."""
    while not await ready():  # noqa: ASYNC110 - another process can't set an event of ours
        await asyncio.sleep(_POLL_S)


async def grpc_serves(target: str, credentials: grpc.ChannelCredentials | None = None) -> bool:
    """Return whether the gRPC server at host:port reports SERVING, over TLS where there are credentials."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    # A channel of its own for each question: one that failed to connect waits before it tries again.
    opened = grpc.aio.secure_channel(target, credentials) if credentials else grpc.aio.insecure_channel(target)
    async with opened as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_ATTEMPT_S_MAX)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def edge_is_ready(admin: str) -> bool:
    """Return whether the edge with this admin address says that it is ready."""
    return await answers_ok(f"http://{admin}/readyz")


async def answers_ok(url: str) -> bool:
    """Return whether a GET of the URL is answered with 200."""
    return await asyncio.to_thread(_answers_ok, url)


def _answers_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_ATTEMPT_S_MAX) as response:  # noqa: S310 - an http URL of our own
            return bool(response.status == http.HTTPStatus.OK)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False
