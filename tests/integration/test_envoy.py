"""A real Envoy between the edge and ingest, mutual TLS on both sides: who gets in, what a fault costs a sender."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from autopay_cli.certificates_directory import environment_of
from autopay_cli.embedded_mongo import EmbeddedMongo
from mesh.channel import call, open_channel
from mesh.errors import Fault, Kind
from services.ingest.servicer import SERVICE
from tests.certificates import identity_of, make
from tests.envoys import Envoy, configuration, inject, running_envoy, why_no_envoy
from tests.mesh_traffic import Reply, Sender, fresh_payments
from tests.patience import until
from tests.replicas import PROCESSES, Replicas
from tests.servers import fresh_database

_ABORTED_MIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """Replicas with certificates, and where these are."""

    replicas: Replicas
    certificates: Path


@pytest.fixture(scope="module")
def secured(mongo_server: EmbeddedMongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Two of each process under mutual TLS; the edges are started by the tests, behind an Envoy of theirs."""
    if reason := why_no_envoy():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("secured")
    certificates = make(directory / "certs")
    variables: dict[str, str] = {}
    for name in PROCESSES:
        variables |= environment_of(certificates, name)
    with fresh_database(mongo_server) as url:
        replicas = Replicas(url, directory, variables)
        try:
            for name in PROCESSES[:-1]:
                for number in range(2):
                    replicas.launch(name, number)
            for name in PROCESSES[:-1]:
                for number in range(2):
                    replicas.await_ready(name, number)
            yield Secured(replicas=replicas, certificates=certificates)
        finally:
            replicas.terminate_all()


@asynccontextmanager
async def sending_through(
    secured: Secured, directory: Path, *, faulty: bool = False
) -> AsyncIterator[tuple[Envoy, Sender]]:
    """Run an Envoy before both ingests and an edge that calls ingest through it."""
    replicas, own = secured.replicas, secured.certificates / "edge"
    config = configuration("sidecar.yaml", backends=replicas.addresses["ingest"], certificates=str(own))
    if faulty:
        inject(config, aborted_percent=20, delayed_percent=100, delay_s=0.05)
    with running_envoy(config, directory) as envoy:
        replicas.over["EDGE_INGEST_TARGET"] = envoy.listener
        replicas.launch("edge", 0)
        replicas.await_ready("edge", 0)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            sender = Sender(session, f"http://{replicas.addresses['edge'][0]}")
            # The way through both is there.
            [body] = fresh_payments(1).values()
            await sender.send_until_accepted(body, timeout_s=10)
            yield envoy, sender
        replicas.kill("edge", 0)


def assert_accepted(replies: list[Reply]) -> None:
    """Every webhook was answered 200."""
    assert Counter((reply.status, reply.fields.get("reason")) for reply in replies) == {(200, None): len(replies)}


async def test_without_a_certificate_nobody_gets_through(secured: Secured, tmp_path: Path) -> None:
    """Envoy refuses who shows none at the handshake, and lets the edge in."""
    async with sending_through(secured, tmp_path) as (envoy, _):
        authority = (secured.certificates / "ca.pem").read_bytes()
        stranger = grpc.aio.secure_channel(envoy.listener, grpc.ssl_channel_credentials(authority))
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        async with stranger:
            stub: Any = health_pb2_grpc.HealthStub(stranger)
            with pytest.raises(Fault) as refused:
                await call(stub.Check, request, timeout_s=3)
            assert refused.value.kind in {Kind.UNAVAILABLE, Kind.TIMEOUT}
        own = open_channel(envoy.listener, service=SERVICE, identity=identity_of(secured.certificates, "edge"))
        async with own:
            stub = health_pb2_grpc.HealthStub(own)
            answer = await call(stub.Check, request, timeout_s=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_one_of_two_backends_killed_fails_no_webhook(secured: Secured, tmp_path: Path) -> None:
    """While webhooks run one ingest is killed: every webhook is answered 200, by the other one."""
    async with sending_through(secured, tmp_path) as (envoy, sender):
        sending = asyncio.create_task(sender.send_all(list(fresh_payments(600).values()), concurrency=16))
        # Bytes, not requests: many calls go over one stream.
        before = await asyncio.to_thread(envoy.stat, "cluster.ingest.upstream_cx_tx_bytes_total")
        while await asyncio.to_thread(envoy.stat, "cluster.ingest.upstream_cx_tx_bytes_total") < before + 10_000:
            assert not sending.done()
        secured.replicas.kill("ingest", 1)
        try:
            assert not sending.done()
            assert_accepted(list(await sending))
            # Envoy is told by its health checks, which goes on after the last webhook.
            await until(lambda: envoy.stat("cluster.ingest.membership_healthy") == 1)
        finally:
            secured.replicas.launch("ingest", 1)
            secured.replicas.await_ready("ingest", 1)


async def test_aborted_and_delayed_calls_are_all_acknowledged(secured: Secured, tmp_path: Path) -> None:
    """With a fifth of the streams aborted and all held up for 50 ms every webhook is answered 200 all the same."""
    async with sending_through(secured, tmp_path, faulty=True) as (envoy, sender):
        aborted = 0
        async with asyncio.timeout(60):
            while aborted < _ABORTED_MIN:
                # One at a time in each of a few connections; a stream is left after a second.
                assert_accepted(list(await sender.send_all(list(fresh_payments(400).values()), concurrency=4)))
                aborted = await asyncio.to_thread(envoy.stat, "http.ingest.fault.aborts_injected")
        assert envoy.stat("http.ingest.fault.delays_injected") > _ABORTED_MIN
