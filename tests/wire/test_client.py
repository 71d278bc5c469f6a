"""autopay_client against servers that are unhealthy, that ask for patience, or that change their certificates."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay_client import LedgerError, Tls

from autopay_cli.addresses import free_ports
from mesh.callers import admission
from mesh.errors import Fault, Kind
from mesh.server import Server
from tests.certificates import identity_of, make
from tests.clients import either

SERVICE = "autopay.ledger.v1.LedgerService"

pytestmark = pytest.mark.parametrize("kind", ["blocking", "asyncio"])


def overloaded() -> Fault:
    """What a server with a full queue answers."""
    return Fault(kind=Kind.EXHAUSTED, reason="OVERLOADED", message="Full.", retry_after_s=0.3)


class Ledger(ledger_pb2_grpc.LedgerServiceServicer):
    """Answers with its own name, after as many faults as it was given."""

    def __init__(self, name: str = "", *faults: Fault) -> None:
        """Raise these first."""
        self._name = name
        self._faults = list(faults)
        self.calls: list[float] = []

    async def GetTransaction(self, request: Any, context: Any) -> ledger_pb2.GetTransactionResponse:
        """Answer, or raise."""
        self.calls.append(time.monotonic())
        if self._faults:
            raise self._faults.pop(0)
        return ledger_pb2.GetTransactionResponse(transaction=ledger_pb2.Transaction(tx_id=self._name))


@asynccontextmanager
async def serving(
    ledger: Ledger, *, certificates: Path | None = None, bind: str = "127.0.0.1:0", healthy: bool = True
) -> AsyncIterator[str]:
    """Serve a ledger and yield its address."""
    identity = identity_of(certificates, "ledger") if certificates else None
    server = Server(
        services=[SERVICE],
        reflect=False,
        admission=admission(identity, "ledger", service=SERVICE, callers="cli=GetTransaction"),
    )
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server.handlers)
    port = await server.start(bind)
    await server.set_healthy(healthy=healthy)
    yield f"127.0.0.1:{port}"
    await server.drain(notice_s=0, grace_s=0)


def tls_of(directory: Path, process: str = "cli") -> Tls:
    """A process's certificate of a directory."""
    return Tls(
        certificate=directory / f"{process}.pem", key=directory / f"{process}.key", authorities=directory / "ca.pem"
    )


async def test_a_server_that_asks_for_patience_gets_it(kind: str) -> None:
    """RetryInfo is honoured to the letter, and the answer comes in the end."""
    ledger = Ledger("done", overloaded(), overloaded())
    async with serving(ledger) as target, either(kind, target) as client:
        assert (await client.call("get", "orders", "T-1")).tx_id == "done"
    pauses = [later - earlier for earlier, later in zip(ledger.calls, ledger.calls[1:], strict=False)]
    assert len(pauses) == 2
    assert all(0.3 <= pause < 1.0 for pause in pauses)


async def test_only_healthy_replicas_get_calls(kind: str) -> None:
    """Of two addresses the one that says it isn't serving is left alone; of two healthy ones each gets its share."""
    ill, first, second = Ledger("ill"), Ledger("first"), Ledger("second")
    async with (
        serving(ill, healthy=False) as one,
        serving(first) as two,
        serving(second) as three,
        either(kind, f"ipv4:{one},{two},{three}") as client,
    ):
        # Connections come up one after the other; the first calls may all go to the first of them.
        names = [(await client.call("get", "orders", "T-1")).tx_id for _ in range(60)]
    assert set(names) == {"first", "second"}
    assert ill.calls == []


async def test_a_caller_without_the_right_certificate_is_refused(tmp_path: Path, kind: str) -> None:
    """Plaintext and a stranger's authority don't connect; a known one is refused what isn't granted."""
    home, strangers = make(tmp_path / "certs"), make(tmp_path / "strangers")
    outcomes: list[str] = []
    cases: list[Callable[[], Tls | None]] = [
        lambda: None,
        lambda: tls_of(strangers),
        lambda: tls_of(home, "edge"),
        lambda: tls_of(home),
    ]
    async with serving(Ledger("in"), certificates=home) as target:
        for case in cases:
            async with either(kind, target, tls=case(), timeout_s=0.5) as client:
                try:
                    outcomes.append((await client.call("get", "orders", "T-1")).tx_id)
                except LedgerError as error:
                    outcomes.append(error.code.name)
    assert outcomes[2:] == ["PERMISSION_DENIED", "in"]
    assert set(outcomes[:2]) <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


async def test_a_renewed_certificate_is_followed(tmp_path: Path, kind: str) -> None:
    """When authority and certificates are replaced on disk, the open client goes on with the new ones."""
    home, bind = make(tmp_path / "certs"), f"127.0.0.1:{free_ports(1)[0]}"
    async with either(kind, bind, tls=tls_of(home)) as client:
        async with serving(Ledger("old"), certificates=home, bind=bind):
            assert (await client.call("get", "orders", "T-1")).tx_id == "old"
        for file in home.iterdir():
            file.unlink()
        make(home)
        async with serving(Ledger("new"), certificates=home, bind=bind):
            assert (await client.call("get", "orders", "T-1")).tx_id == "new"
