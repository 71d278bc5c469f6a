"""The front page: what is served here."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from edge.representations import Index
from edge.surface import Surface, json_answer

_INDEX: Final = Index(
    name="AutoPay mesh",
    about="Send signed payment webhooks here; read what became of them with an API key.",
    webhooks=["/webhooks/payments", "/webhook/payment"],
    reads=["/transaction/{tx_id}", "/transactions", "/reports/daily", "/monitoring/health", "/monitoring/errors"],
    documents=["/openapi.json", "/docs", "/redoc"],
)


def routes(surface: Surface) -> list[web.RouteDef]:
    """Return the route of the front page."""

    async def index(request: web.Request) -> web.Response:
        del request
        return json_answer(_INDEX)

    return [surface.open("/", index)]
