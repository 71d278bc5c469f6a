"""Without MongoDB everything starts and waits; from a backup everything goes on, and what is sent again counts once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo import MongoClient

from autopay_cli.embedded_mongo import EmbeddedMongo
from mesh.server import LIVENESS
from tests.mesh_audit import auditing
from tests.mesh_processes import NAMES, RunningMesh, _edge_is_ready, _grpc_serves, running_mesh
from tests.mesh_traffic import fresh_payments, sending_to

StartMongo = Callable[..., EmbeddedMongo]


def is_alive(address: str) -> bool:
    """Whether a service says that it answers at all."""
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=LIVENESS)
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(request, timeout=5)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def test_everything_starts_without_mongo_and_is_ready_when_it_comes(
    start_mongo: StartMongo, tmp_path: Path
) -> None:
    """The edge is ready all along and answers 503; the ledger is alive, not ready, and then is, without a restart."""
    mongo = start_mongo()
    url = mongo.url
    mongo.kill(0)
    mesh = RunningMesh(url, tmp_path)
    try:
        for name in NAMES:
            mesh.launch(name)
        mesh.await_healthy("edge", "ingest", "insight")
        assert is_alive(mesh.addresses["ledger"])
        assert not _grpc_serves(mesh.addresses["ledger"])
        [early, late] = fresh_payments(2).values()
        async with sending_to(mesh) as sender:
            assert (await sender.send(early)).asks_again
            assert _edge_is_ready(mesh.admin)
            mongo.restart(0)
            mesh.await_healthy("ledger")
            assert (await sender.send_until_accepted(late, timeout_s=10)).status == 200
    finally:
        mesh.terminate_all()


async def test_a_copy_of_the_files_is_a_backup(start_mongo: StartMongo, tmp_path: Path) -> None:
    """A set started from files copied under fsyncLock holds all until then, and the rest comes by sending again."""
    home, copy = tmp_path / "mongo-home", tmp_path / "mongo-copy"
    mongo = start_mongo(directory=home)
    before, after = fresh_payments(60), fresh_payments(40)
    with running_mesh(mongo.url, tmp_path) as mesh:
        async with sending_to(mesh) as sender:
            assert {reply.status for reply in await sender.send_all(list(before.values()))} == {200}
            with MongoClient[dict[str, Any]](mongo.url) as client:
                client.admin.command("fsync", lock=True)
                try:
                    shutil.copytree(home, copy)
                finally:
                    client.admin.command("fsyncUnlock")
            assert {reply.status for reply in await sender.send_all(list(after.values()))} == {200}
    mongo.kill(0)
    restored = start_mongo(directory=copy)
    with auditing(restored.url) as audit:
        audit.assert_stored_once({tx_id: [body] for tx_id, body in before.items()})
        audit.assert_absent(after, after.values())
    with running_mesh(restored.url, tmp_path) as mesh:
        async with sending_to(mesh) as sender:
            again = await sender.send_all([*before.values(), *after.values()])
    assert [reply.fields["status"] for reply in again] == ["already_processed"] * 60 + ["processed"] * 40
    with auditing(restored.url) as audit:
        audit.assert_stored_once({tx_id: [body] for tx_id, body in {**before, **after}.items()})
