"""Insight as a process with a key: nothing is lost or stored twice however it ends, and no webhook waits for Gemini."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo import MongoClient

from autopay_cli.addresses import free_ports
from autopay_cli.embedded_mongo import EmbeddedMongo
from mesh.server import dependency_service
from tests.fakes import gemini
from tests.fakes.gemini import MODEL_VERSION, GeminiPeer, serving
from tests.integration.conftest import GeminiTls
from tests.mesh_processes import RunningMesh, running_mesh
from tests.mesh_traffic import fresh_payments, sending_to
from tests.patience import until
from tests.servers import fresh_database

pytestmark = pytest.mark.timeout(120)
SLOWER_S_MAX = 0.025


@pytest.fixture(scope="module")
def port() -> int:
    """Where the Gemini of these tests listens."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def mesh(
    mongo_server: EmbeddedMongo, tmp_path_factory: pytest.TempPathFactory, gemini_tls: GeminiTls, port: int
) -> Iterator[RunningMesh]:
    """A mesh that has everything explained."""
    environment = {
        "GEMINI_API_KEY": "k",
        "INSIGHT_GEMINI_ENDPOINT": f"localhost:{port}",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(gemini_tls.roots),
        "LEDGER_ANALYSIS_POLICY": "all",
        "INSIGHT_EXPLAIN_LEASE_S": "5",
        "INSIGHT_GEMINI_TIMEOUT_S": "2",
        "INSIGHT_GEMINI_OPEN_S": "0.2",
    }
    with (
        fresh_database(mongo_server) as url,
        running_mesh(url, tmp_path_factory.mktemp("explaining"), environment) as running,
    ):
        yield running


@pytest.fixture
async def peer(gemini_tls: GeminiTls, port: int) -> AsyncIterator[GeminiPeer]:
    """Google's side."""
    peer = GeminiPeer()
    async with serving(peer, gemini_tls.credentials, port):
        yield peer


def analyses(mesh: RunningMesh) -> dict[str, dict[str, object]]:
    """What every payment holds of its analysis."""
    with MongoClient[dict[str, dict[str, object]]](mesh.mongo_url) as client:
        found = client.get_default_database()["transactions"].find({}, {"analysis": 1})
        return {str(each["_id"]): each["analysis"] for each in found}


def serves(mesh: RunningMesh) -> bool:
    """Whether insight says that Gemini serves."""
    with grpc.insecure_channel(mesh.addresses["insight"]) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # set in its constructor
        status = check(health_pb2.HealthCheckRequest(service=dependency_service("gemini")), timeout=5).status
    return bool(status == health_pb2.HealthCheckResponse.SERVING)


async def test_killed_in_the_middle_of_a_call_it_loses_nothing(mesh: RunningMesh, peer: GeminiPeer) -> None:
    """After kill -9 what was leased comes to the next process; every payment ends with exactly one analysis."""
    peer.acts = [gemini.slow(30)]
    async with sending_to(mesh) as sender:
        replies = await sender.send_all(list(fresh_payments(12).values()))
    assert {reply.status for reply in replies} == {200}
    await until(lambda: bool(peer.asked))
    mesh.kill("insight")
    peer.acts = [gemini.success]
    await mesh.restart("insight")
    await until(lambda: all(each["state"] == "done" for each in analyses(mesh).values()))
    stored = analyses(mesh)
    assert len(stored) == 12
    assert {each["result"]["model_version"] for each in stored.values()} == {MODEL_VERSION}  # type: ignore[index] # BSON
    assert max(each["attempts"] for each in stored.values()) == 2  # type: ignore[type-var] # BSON


@pytest.mark.timed
async def test_no_webhook_waits_for_gemini(mesh: RunningMesh, peer: GeminiPeer) -> None:
    """While every call to Gemini hangs, webhooks are answered as quickly as where nobody asks it."""

    async def median_s() -> float:
        async with sending_to(mesh) as sender:
            replies = await sender.send_all(list(fresh_payments(60).values()), concurrency=1)
        assert {reply.status for reply in replies} == {200}
        return statistics.median(reply.took_s for reply in replies)

    peer.acts = [gemini.slow(30)]
    await median_s()
    await until(lambda: bool(peer.asked))
    hanging_s = await median_s()
    mesh.kill("insight")
    await mesh.restart("insight", {"INSIGHT_EXPLAINER": "rules"})
    without_s = await median_s()
    assert hanging_s - without_s < SLOWER_S_MAX


async def test_the_circuit_shows_in_insights_health(mesh: RunningMesh, peer: GeminiPeer) -> None:
    """Gemini serves, doesn't while the circuit is open, and serves again after a good probe."""
    peer.acts = [gemini.failing(grpc.StatusCode.UNAUTHENTICATED)]
    mesh.kill("insight")
    await mesh.restart("insight")
    async with sending_to(mesh) as sender:
        await sender.send_all(list(fresh_payments(2).values()))
    await until(lambda: not serves(mesh))
    peer.acts = [gemini.success]
    await until(lambda: serves(mesh))
