"""A site over HTTPS with a certificate of its own authority, reached whatever name is asked for."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Site:
    """What was asked of it, and how it answers.

    Attributes:
        port: where it listens on loopback.
        trust: makes clients believe its certificate.
        paths: every path that was asked for, in order.
        answer: makes the answer.
        resolved: every host name that a client looked up.
    """

    port: int
    trust: ssl.SSLContext
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    paths: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)

    def connector(self) -> aiohttp.TCPConnector:
        """Return a connector that finds every host here."""
        return aiohttp.TCPConnector(ssl=self.trust, resolver=_Resolver(self))


class _Resolver(AbstractResolver):
    def __init__(self, site: Site) -> None:
        self._site = site

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self._site.resolved.append(host)
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=self._site.port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Hold nothing."""


def certificate(host: str, directory: Path) -> Path:
    """Make a self-signed certificate for a host; return the file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{host}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@asynccontextmanager
async def serving(host: str, directory: Path, content: bytes) -> AsyncIterator[Site]:
    """Serve `content` as `host` while the context lasts."""
    file = await asyncio.to_thread(certificate, host, directory)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(file)

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=content)

    site = Site(0, ssl.create_default_context(cafile=str(file)), answer)

    async def handle(request: web.Request) -> web.StreamResponse:
        site.paths.append(request.path)
        return await site.answer(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        listening = socket.create_server(("127.0.0.1", 0))
        site.port = listening.getsockname()[1]
        await web.SockSite(runner, listening, ssl_context=own).start()
        yield site
    finally:
        await runner.cleanup()
