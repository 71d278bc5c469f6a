"""Certificates renewed while calls are on their way: none fails, and new handshakes show the new ones."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from mesh.channel import open_channel
from tests.certificates import identity_of, ledger_echo, make
from tests.fakes import echo

Context = grpc.aio.ServicerContext[Any, Any]
# What is asserted is that no call fails and what is shown in the end; not how soon, on a machine that does much else.
PATIENCE_S = 30.0


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """Certificates for a server and for a client, of one authority, in directories of their own."""
    server, client = make(tmp_path / "server"), tmp_path / "client"
    client.mkdir()
    copy(server, client)
    return server, client


def copy(source: Path, target: Path) -> None:
    """Write files over those of the same names."""
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())


def serial_shown(address: str, home: Path) -> int:
    """Make a new handshake and return the serial number of the certificate that the server shows."""
    context = ssl.create_default_context(cafile=str(home / "ca.pem"))
    context.load_cert_chain(home / "edge.pem", home / "edge.key")
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def serial_of(path: Path) -> int:
    """Return the serial number of the certificate in a file."""
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


class Load:
    """Calls without a pause, and what became of them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over `channel`."""
        self._stub = echo.Stub(channel)
        self.answered = 0
        self.failures: list[grpc.aio.AioRpcError] = []

    async def go_on(self) -> None:
        """Call one after the other until cancelled."""
        while True:
            try:
                await self._stub.say(echo.text("hello"), timeout=PATIENCE_S)
                self.answered += 1
            except grpc.aio.AioRpcError as error:
                self.failures.append(error)
            await asyncio.sleep(0.001)

    async def until_answered(self, more: int) -> None:
        """Wait until so many more were answered."""
        goal = self.answered + more
        await within(lambda: self.answered >= goal)


@asynccontextmanager
async def under_load(channel: grpc.aio.Channel, workers: int = 4) -> AsyncIterator[Load]:
    """Call over the channel, so many at once, while the context lasts."""
    load = Load(channel)
    tasks = [asyncio.create_task(load.go_on()) for _ in range(workers)]
    try:
        await load.until_answered(20)
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def within(happened: Callable[[], bool]) -> None:
    """Wait until something has happened, as seen from a thread: handshakes of ours block."""
    deadline = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(happened):
        assert time.monotonic() < deadline, f"did not happen within {PATIENCE_S} s"
        await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_server_and_client_certificates_are_renewed_without_a_failed_call(homes: tuple[Path, Path]) -> None:
    """Three renewals on both sides under load: every call is answered, the new certificates are the ones shown."""
    server, client = homes
    peers: set[int] = set()

    async def note_peer(text: str, context: Context) -> str:
        [pem] = context.auth_context()["x509_pem_cert"]
        peers.add(x509.load_pem_x509_certificate(pem).serial_number)
        return text

    identity = identity_of(client, "edge")
    async with (
        ledger_echo(server, "edge=*", say=note_peer) as address,
        open_channel(address, service=echo.SERVICE, identity=identity) as channel,
        under_load(channel) as load,
    ):
        for _ in range(3):
            make(server, renew=True)
            await within(lambda: serial_shown(address, client) == serial_of(server / "ledger.pem"))
            copy(server, client)
            await within(lambda: serial_of(client / "edge.pem") in peers)
            await load.until_answered(20)
        assert load.failures == []
    assert len(peers) == 4


async def test_an_unreadable_new_pair_keeps_the_old_one(homes: tuple[Path, Path]) -> None:
    """A destroyed certificate on the server and a mismatched pair at the client: both go on with what they have."""
    server, client = homes
    shown = serial_of(server / "ledger.pem")
    identity = identity_of(client, "edge")
    async with (
        ledger_echo(server, "edge=*") as address,
        open_channel(address, service=echo.SERVICE, identity=identity) as channel,
        under_load(channel) as load,
    ):
        (server / "ledger.pem").write_text("garbage")
        (client / "edge.key").write_bytes((client / "cli.key").read_bytes())
        await asyncio.sleep(1.5)
        assert await asyncio.to_thread(serial_shown_as_cli, address, client) == shown
        await load.until_answered(20)
        assert load.failures == []


def serial_shown_as_cli(address: str, home: Path) -> int:
    """Make a new handshake with the pair that is still whole."""
    for kind in ("pem", "key"):
        (home / f"edge.{kind}").write_bytes((home / f"cli.{kind}").read_bytes())
    return serial_shown(address, home)


async def test_a_certificate_that_nobody_believes_is_not_used_while_the_old_connection_lives(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    """A client given certificates of an authority that the server doesn't know stays on its connection."""
    server, client = homes
    identity = identity_of(client, "edge")
    async with (
        ledger_echo(server, "edge=*") as address,
        open_channel(address, service=echo.SERVICE, identity=identity) as channel,
        under_load(channel) as load,
    ):
        copy(make(tmp_path / "strangers"), client)
        assert identity.refresh()
        await asyncio.sleep(0.5)
        await load.until_answered(20)
        copy(server, client)
        assert identity.refresh()
        await load.until_answered(20)
        assert load.failures == []


async def test_a_stream_goes_on_over_a_renewal(homes: tuple[Path, Path]) -> None:
    """A stream that began with the old certificate ends when it is over, not when the certificate changes."""
    server, client = homes
    renewed = asyncio.Event()

    async def before_and_after(text: str, context: Context) -> AsyncIterator[str]:
        yield "before"
        await renewed.wait()
        yield "after"

    identity = identity_of(client, "edge")
    async with (
        ledger_echo(server, "edge=*", listen=before_and_after) as address,
        open_channel(address, service=echo.SERVICE, identity=identity) as channel,
    ):
        stream = echo.Stub(channel).listen(echo.text("hello"), timeout=PATIENCE_S)
        heard = [(await anext(aiter(stream))).value]
        make(server, renew=True)
        copy(server, client)
        assert identity.refresh()
        assert (await echo.Stub(channel).say(echo.text("hello"), timeout=PATIENCE_S)).value == "hello"
        await asyncio.sleep(0.3)
        renewed.set()
        heard += [answer.value async for answer in stream]
    assert heard == ["before", "after"]
