"""Certificates for tests, made as `autopay certs` makes them, and servers and channels that use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from autopay_cli.certificates import issue
from mesh.callers import admission
from mesh.identity import Identity, TlsFiles
from mesh.server import Server
from tests.fakes import echo

DOMAIN: Final = "tests"


def make(directory: Path, *, renew: bool = False, now: datetime | None = None) -> Path:
    """Make an authority and a certificate per process for two days, or new certificates of the same authority."""
    issue(directory, days=2, trust_domain=DOMAIN, renew=renew, now=now or datetime.now(UTC))
    return directory


def name_of(process: str) -> str:
    """The SPIFFE id that a process's certificate carries."""
    return f"spiffe://{DOMAIN}/sa/{process}"


def files_of(directory: Path, process: str) -> TlsFiles:
    """Where a process's files are."""
    return TlsFiles(
        certificate=directory / f"{process}.pem", key=directory / f"{process}.key", authorities=directory / "ca.pem"
    )


def identity_of(directory: Path, process: str) -> Identity:
    """A process's identity."""
    return Identity(files_of(directory, process))


@asynccontextmanager
async def ledger_echo(
    directory: Path, callers: str, *, writers: str = "", say: echo.Unary = echo.same, listen: echo.Stream = echo.none
) -> AsyncIterator[str]:
    """Serve `tests.fakes.echo` as the ledger over mutual TLS and yield its address."""
    admitted = admission(
        identity_of(directory, "ledger"), "ledger", service=echo.SERVICE, callers=callers, writers=writers
    )
    server = Server(services=[echo.SERVICE], reflect=False, streamed=["Say"], admission=admitted)
    echo.add(server.handlers, say=say, listen=listen)
    port = await server.start("127.0.0.1:0")
    await server.set_healthy(healthy=True)
    yield f"127.0.0.1:{port}"
    await server.stop()
