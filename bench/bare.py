"""The ceiling: an aiohttp handler that reads the body, decides nothing and stores nothing."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web

_ANSWER = b'{"status":"processed"}'


async def receive(request: web.Request) -> web.Response:
    """Read the body and answer."""
    await request.read()
    return web.Response(body=_ANSWER, content_type="application/json")


def main(port: int) -> None:
    """Serve on a local port, the way the edge does: uvloop, no access log."""
    uvloop.install()
    application = web.Application()
    application.router.add_post("/webhooks/payments", receive)
    web.run_app(application, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
