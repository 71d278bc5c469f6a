"""What is not served here, told in the one form of all errors: 404 for a path, 405 for a method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from edge.problems import problem
from edge.webhooks import RequestIds

# Comes last in the table, so that it costs the paths that are served nothing (a middleware would).
_PATH: Final = "/{anything:.*}"


def add(app: web.Application, ids: RequestIds) -> None:
    """Answer every path and method that no route before this one serves."""
    app.router.add_route("*", _PATH, _handler(ids))


def _handler(ids: RequestIds) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        allowed = await _allowed(request)
        if not allowed:
            detail = "Nothing is served under this path."
            return problem(404, "NOT_FOUND", detail, request_id=ids.next(), trace_id="")
        methods = ", ".join(sorted(allowed))
        detail = f"This path takes {methods}."
        response = problem(405, "NOT_IMPLEMENTED", detail, request_id=ids.next(), trace_id="")
        response.headers["Allow"] = methods
        return response

    return handle


async def _allowed(request: web.Request) -> set[str]:
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            methods |= (await resource.resolve(request))[1]
    return methods
