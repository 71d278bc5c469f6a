"""The health of what is behind the edge, by gRPC's own health protocol."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


class GrpcHealth:
    """The port `Checks` over channels."""

    def __init__(self, channels: dict[str, grpc.aio.Channel]) -> None:
        """Ask each process, by its name, over its channel."""
        stubs: dict[str, Any] = {name: health_pb2_grpc.HealthStub(channel) for name, channel in channels.items()}
        self._checks = {name: stub.Check for name, stub in stubs.items()}

    async def check(self, process: str, service: str, *, timeout_s: float) -> bool | None:
        """Ask a process about itself or about what it reports."""
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = await self._checks[process](request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            # It answers, and has never heard of that.
            return None if error.code() is grpc.StatusCode.NOT_FOUND else False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
