"""The admin port: is the process alive, may it get traffic, and its metrics."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from edge.merging import Shown
from edge.readiness import Readiness
from edge.worker_group import WorkerGroup

_OPENMETRICS = {"Content-Type": CONTENT_TYPE_LATEST}


def build(readiness: Readiness, group: WorkerGroup) -> web.Application:
    """Return the admin application; its metrics are those of all workers."""

    async def livez(request: web.Request) -> web.Response:
        del request
        return web.json_response({"status": "alive"})

    async def readyz(request: web.Request) -> web.Response:
        del request
        status = "ready" if readiness.ready else "draining"
        return web.json_response({"status": status}, status=200 if readiness.ready else 503)

    async def metrics(request: web.Request) -> web.Response:
        del request
        registry = CollectorRegistry()
        registry.register(Shown(group.families()))
        return web.Response(body=generate_latest(registry), headers=_OPENMETRICS)  # type: ignore[no-untyped-call]

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app
