"""Answers Ingest calls with nothing: `python -m bench.hop_server` prints its port and serves until it is killed."""

from __future__ import annotations

import asyncio

from autopay.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from prometheus_client import CollectorRegistry

from bench import launching
from mesh import lifecycle
from mesh.metrics import RpcMetrics
from mesh.server import Server

SERVICE = "autopay.ingest.v1.IngestService"


class _Nothing(ingest_pb2_grpc.IngestServiceServicer):
    async def Ingest(  # noqa: N802 - the contract's name
        self, request: ingest_pb2.IngestRequest, context: object
    ) -> ingest_pb2.IngestResponse:
        del request, context
        return ingest_pb2.IngestResponse()


async def _serve() -> None:
    server = Server(services=[SERVICE], reflect=False, streamed=["Ingest"], metrics=RpcMetrics(CollectorRegistry()))
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(_Nothing(), server.handlers)
    port = await server.start(f"{launching.HOST}:0")
    await server.set_healthy(healthy=True)
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    lifecycle.run("hop_server", _serve)
