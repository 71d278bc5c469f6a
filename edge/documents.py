"""The API's document, and the two pages that show it to people."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from edge.surface import Surface

_SCRIPT: Final = "text/javascript; charset=utf-8"
_STYLE: Final = "text/css; charset=utf-8"
# Both draw with styles that they make; scripts come from here alone, and none stands in a page.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AutoPay mesh API</title>
<link rel="icon" href="data:,">
{style}</head>
<body>
<div id="page"></div>
<script src="/docs/{library}"></script>
<script src="/docs/{start}"></script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asset:
    """A file of edge/assets; its published name has a version, so that it can be kept."""

    file: str
    content_type: str
    packed: bool


_ASSETS: Final[Mapping[str, _Asset]] = {
    "swagger-ui-5.35.0.js": _Asset(file="swagger-ui-bundle.js.gz", content_type=_SCRIPT, packed=True),
    "swagger-ui-5.35.0.css": _Asset(file="swagger-ui.css.gz", content_type=_STYLE, packed=True),
    "redoc-2.5.4.js": _Asset(file="redoc.standalone.js.gz", content_type=_SCRIPT, packed=True),
    "docs.js": _Asset(file="docs.js", content_type=_SCRIPT, packed=False),
    "redoc.js": _Asset(file="redoc.js", content_type=_SCRIPT, packed=False),
}
_DOCS: Final = _PAGE.format(
    style='<link rel="stylesheet" href="/docs/swagger-ui-5.35.0.css">\n',
    library="swagger-ui-5.35.0.js",
    start="docs.js",
)
_REDOC: Final = _PAGE.format(style="", library="redoc-2.5.4.js", start="redoc.js")


def routes(surface: Surface, document: Mapping[str, Any]) -> list[web.RouteDef]:
    """Return the routes of the document and its pages, open to everybody: it tells what is anyhow published."""
    body = orjson.dumps(document)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    async def openapi(request: web.Request) -> web.Response:
        headers = {hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: "no-cache", "ETag": tag}
        if any(f'"{each.value}"' == tag for each in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    return [
        surface.open("/openapi.json", openapi),
        surface.open("/docs", _page(_DOCS)),
        surface.open("/redoc", _page(_REDOC)),
        *(surface.open(f"/docs/{name}", _asset(asset)) for name, asset in _ASSETS.items()),
    ]


def _page(html: str) -> Any:
    async def page(request: web.Request) -> web.Response:
        del request
        return web.Response(
            text=html,
            content_type="text/html",
            headers={"Content-Security-Policy": _POLICY, hdrs.CACHE_CONTROL: "no-cache"},
        )

    return page


def _asset(asset: _Asset) -> Any:
    content = resources.files("edge").joinpath("assets", asset.file).read_bytes()
    headers = {
        hdrs.CONTENT_TYPE: asset.content_type,
        hdrs.CACHE_CONTROL: "public, max-age=86400" if asset.packed else "no-cache",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }

    async def file(request: web.Request) -> web.Response:
        if not asset.packed:
            return web.Response(body=content, headers=headers)
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            return web.Response(body=content, headers={**headers, hdrs.CONTENT_ENCODING: "gzip"})
        return web.Response(body=gzip.decompress(content), headers=headers)

    return file
