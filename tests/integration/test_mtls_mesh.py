"""The whole mesh under mutual TLS: payments go through, strangers don't, and certificates change on the way."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import error_pb2, payment_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from autopay_cli.addresses import free_ports
from autopay_cli.certificates_directory import environment_of
from autopay_cli.embedded_mongo import EmbeddedMongo
from mesh.channel import call, open_channel
from mesh.errors import Fault, Kind
from tests.certificates import identity_of, make, name_of
from tests.mesh_processes import NAMES, RunningMesh, _grpc_serves
from tests.mesh_traffic import fresh_payments, new_tx_id, payment, sending_to
from tests.servers import fresh_database

LEDGER = "autopay.ledger.v1.LedgerService"
SERVICES = ("ledger", "insight", "ingest")


class SecuredMesh(RunningMesh):
    """A mesh whose processes speak mutual TLS, and whose health is read on the plaintext ports beside."""

    def __init__(self, mongo_url: str, directory: Path) -> None:
        """Prepare the processes with certificates of their own."""
        self.certificates = make(directory / "certs")
        ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.health = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        variables = {f"{name.upper()}_HEALTH_BIND": address for name, address in self.health.items()}
        for name in NAMES:
            variables |= environment_of(self.certificates, name)
        partner = name_of("insight")
        variables["LEDGER_CALLERS"] = (
            f"ingest=Record;edge=BatchGetTransactions;cli=*;{partner}=WatchTransactions,Record"
        )
        variables["LEDGER_WRITERS"] = f"ingest=*;{partner}=partner_a"
        super().__init__(mongo_url, directory, variables)

    def ledger(self, process: str) -> grpc.aio.Channel:
        """Open a channel to the ledger as a process."""
        return open_channel(self.addresses["ledger"], service=LEDGER, identity=identity_of(self.certificates, process))

    def _is_healthy(self, name: str) -> bool:
        return _grpc_serves(self.health[name]) if name in self.health else super()._is_healthy(name)


@pytest.fixture(scope="module")
def mesh(mongo_server: EmbeddedMongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredMesh]:
    """A mesh under mutual TLS for all tests of this file."""
    with fresh_database(mongo_server) as url:
        secured = SecuredMesh(url, tmp_path_factory.mktemp("secured"))
        try:
            secured.start()
            yield secured
        finally:
            secured.terminate_all()


def item(source: str, tx_id: str) -> ledger_pb2.RecordItem:
    """A captured payment of one source."""
    event = payment_pb2.PaymentEvent(tx_id=tx_id, event_id="e-1", kind=payment_pb2.EVENT_KIND_CAPTURED)
    event.amount.minor_units, event.amount.currency, event.amount.exponent = 100, "EUR", 2
    return ledger_pb2.RecordItem(delivery_id=tx_id, source=source, events=[ledger_pb2.RecordEvent(event=event)])


async def record(mesh: SecuredMesh, process: str, *items: ledger_pb2.RecordItem) -> Any:
    """Record as a process."""
    async with mesh.ledger(process) as channel:
        method = ledger_pb2_grpc.LedgerServiceStub(channel).Record
        response = await call(method, ledger_pb2.RecordRequest(items=items), timeout_s=5)
    return response.results


async def test_signed_webhooks_pass_a_mesh_under_mutual_tls(mesh: SecuredMesh) -> None:
    """Every hop shows its certificate and is let in: payments are accepted and scored."""
    async with sending_to(mesh) as sender:
        replies = await sender.send_all(list(fresh_payments(50).values()))
    assert {reply.status for reply in replies} == {200}
    assert any(reply.fields["risk"] for reply in replies)
    async with aiohttp.ClientSession(f"http://{mesh.admin}") as session, session.get("/metrics") as response:
        shown = dict(line.split() for line in (await response.text()).splitlines() if line.startswith("tls_"))
    assert float(shown["tls_certificate_expiry_timestamp_seconds"]) > time.time() + 86_400


async def test_nobody_enters_without_a_certificate(mesh: SecuredMesh) -> None:
    """Plaintext and TLS without a client certificate reach no service of the mesh."""
    credentials = grpc.ssl_channel_credentials((mesh.certificates / "ca.pem").read_bytes())
    for address in (mesh.addresses[name] for name in SERVICES):
        for channel in (grpc.aio.insecure_channel(address), grpc.aio.secure_channel(address, credentials)):
            async with channel:
                health: Any = health_pb2_grpc.HealthStub(channel)
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await health.Check(health_pb2.HealthCheckRequest(), timeout=5)
                assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_edge_may_not_record(mesh: SecuredMesh) -> None:
    """A process of the mesh may call what its work needs and nothing else."""
    with pytest.raises(Fault) as raised:
        await record(mesh, "edge", item("autopay", new_tx_id()))
    assert (raised.value.kind, raised.value.reason) == (Kind.FORBIDDEN, "FORBIDDEN")
    assert raised.value.metadata == {"caller": name_of("edge"), "method": "Record"}


async def test_a_caller_records_its_own_sources_only(mesh: SecuredMesh) -> None:
    """A source that isn't the caller's is PERMISSION_DENIED; in a mixed batch that item alone, the rest is recorded."""
    own, foreign = item("partner_a", new_tx_id()), item("autopay", new_tx_id())
    with pytest.raises(Fault) as raised:
        await record(mesh, "insight", foreign)
    assert (raised.value.kind, raised.value.metadata["source"]) == (Kind.FORBIDDEN, "autopay")
    results = await record(mesh, "insight", foreign, own)
    assert (results[0].error.code, results[0].error.reason) == (
        grpc.StatusCode.PERMISSION_DENIED.value[0],
        error_pb2.ERROR_REASON_FORBIDDEN,
    )
    assert results[0].error.field == "items[0].source"
    assert results[1].events[0].outcome == ledger_pb2.OUTCOME_CREATED
    names = [ledger_pb2.TransactionName(source=each.source, tx_id=each.delivery_id) for each in (own, foreign)]
    async with mesh.ledger("edge") as channel:
        method = ledger_pb2_grpc.LedgerServiceStub(channel).BatchGetTransactions
        found = await call(method, ledger_pb2.BatchGetTransactionsRequest(names=names), timeout_s=5)
    assert [each.source for each in found.transactions] == ["partner_a"]


@pytest.mark.slow
async def test_certificates_are_renewed_under_a_running_mesh(mesh: SecuredMesh) -> None:
    """While webhooks arrive every certificate is replaced twice; each webhook is still answered with 200."""
    stop = asyncio.Event()
    statuses: list[int] = []

    async def go_on() -> None:
        async with sending_to(mesh) as sender:
            while not stop.is_set():
                statuses.append((await sender.send(payment(new_tx_id()))).status)

    senders = [asyncio.create_task(go_on()) for _ in range(4)]
    for _ in range(2):
        await asyncio.sleep(0.5)
        await asyncio.to_thread(make, mesh.certificates, renew=True)
        await asyncio.sleep(2)
    stop.set()
    await asyncio.gather(*senders)
    assert set(statuses) == {200}
    for name in NAMES:
        renewed = [line for line in mesh.log_lines(name) if "has a new certificate" in str(line.get("event"))]
        assert len(renewed) == 2, name


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AUTOPAY_ENV": "production"}, "LEDGER_TLS_CERT, LEDGER_TLS_KEY, LEDGER_TLS_CA must be set in production"),
        ({"LEDGER_BIND": "0.0.0.0:0"}, "LEDGER_BIND is 0.0.0.0:0, beyond loopback, where plaintext is refused"),
        ({"LEDGER_CALLERS": "edge=Recrod"}, "LEDGER_CALLERS: edge may call Recrod, but"),
        ({"LEDGER_WRITERS": "edge"}, "LEDGER_WRITERS: edge grants nothing"),
        (dict.fromkeys(environment_of(Path(), "ledger"), "/none.pem"), "/none.pem can't be read"),
    ],
)
def test_a_process_that_would_not_be_safe_says_so_and_ends(variables: dict[str, str], said: str) -> None:
    """A wrong trust setting is one line on standard error and exit code 2."""
    ended = subprocess.run(
        [sys.executable, "-m", "services.ledger"],
        env={"PATH": "", **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert said in ended.stderr
