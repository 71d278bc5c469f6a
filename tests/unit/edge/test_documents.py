"""The documents' pages: strict about where anything comes from, small, and kept by caches only where they may be."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from tests.unit.edge.rig import Edge

LIBRARIES = {
    "/docs/swagger-ui-5.35.0.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "/docs/swagger-ui-5.35.0.css": "a6a4cf68f069eb89984d5d43644e6a812e749df08d2b1320c6e06e6973847d10",
    "/docs/redoc-2.5.4.js": "a3cc0b0a0380a574fe6545b8b1a68f91e3cd3737bd26e118eb8871cf74f25819",
}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_takes_scripts_from_here_alone(edge: Edge, path: str) -> None:
    """No inline script, no other host, no frame; the page names files that are served."""
    got = await edge.send("GET", path)
    policy = dict(part.strip().split(" ", 1) for part in got.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert b"http" not in got.body.replace(b"http-equiv", b"")
    sources = [part.partition(b'"')[0].decode() for part in got.body.split(b'src="')[1:]]
    assert len(sources) == 2
    for source in sources:
        assert (await edge.send("GET", source)).status == 200
    assert got.body.count(b"<script>") == 0


@pytest.mark.parametrize(("path", "sha256"), LIBRARIES.items())
async def test_a_library_is_the_published_file(edge: Edge, path: str, sha256: str) -> None:
    """Whether a client takes gzip or not, the bytes are those that edge/assets/README.md tells of."""
    plain = await edge.send("GET", path, headers={"Accept-Encoding": "identity"})
    assert hashlib.sha256(plain.body).hexdigest() == sha256
    packed = await edge.send("GET", path, headers={"Accept-Encoding": "gzip"}, auto_decompress=False)
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Cache-Control"] == "public, max-age=86400"


async def test_the_document_comes_once(edge: Edge) -> None:
    """Whoever has it is told 304."""
    got = await edge.send("GET", "/openapi.json")
    again = await edge.send("GET", "/openapi.json", headers={"If-None-Match": got.headers["Etag"]})
    assert (got.status, again.status, again.body) == (200, 304, b"")


async def test_every_answer_has_safe_headers(edge: Edge) -> None:
    """Found, refused or wrong: no sniffing, no frames, no referrer, and nothing of the server's make."""
    for path in ("/", "/transaction/T-1", "/docs", "/openapi.json"):
        headers = (await edge.send("GET", path)).headers
        assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert (headers["Referrer-Policy"], headers["Server"]) == ("no-referrer", "autopay")
