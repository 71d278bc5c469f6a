"""During a rollout two versions talk to each other, both ways, and write one database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from autopay_cli.embedded_mongo import EmbeddedMongo
from tests.mesh_audit import auditing
from tests.mesh_traffic import Sender, new_tx_id, payment
from tests.replicas import Slot, running_from, running_replicas
from tests.servers import fresh_database

ROOT: Final = Path(__file__).resolve().parents[2]
# A version that was whole and is written down: contracts before the first settings and fields of what came later.
EARLIER: Final = "cd80118c96de14fd8e9f907a683da711788dc9ad"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the earlier version."""
    directory = tmp_path_factory.mktemp("earlier")
    archive = directory / "sources.tar"
    command = ["git", "-C", str(ROOT), "archive", "--output", str(archive), EARLIER]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"the history up to {EARLIER[:7]} is not here")
    found = directory / "sources"
    found.mkdir()
    subprocess.run([shutil.which("tar") or "tar", "-xf", str(archive), "-C", str(found)], check=True)
    where = [sys.executable, "-c", "import edge, autopay.ledger.v1.ledger_pb2 as pb; print(edge.__file__, pb.__file__)"]
    environment = {**os.environ, **running_from(found)}
    modules = subprocess.run(where, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert all(module.startswith(str(found)) for module in modules), modules
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "old",
    [
        pytest.param({("edge", 0), ("ledger", 1)}, id="old-edge"),
        pytest.param({("ingest", 0), ("ingest", 1), ("insight", 0), ("ledger", 1)}, id="old-ingest"),
    ],
)
async def test_versions_understand_each_other(
    earlier: Path, mongo_server: EmbeddedMongo, tmp_path: Path, old: Collection[Slot]
) -> None:
    """Payments, repeats and refunds get their answers through any mix, and each is stored once."""
    with (
        fresh_database(mongo_server) as url,
        running_replicas(url, tmp_path, homes=dict.fromkeys(old, earlier)) as replicas,
    ):
        async with aiohttp.ClientSession() as session:
            for edge in replicas.addresses["edge"]:
                sender = Sender(session, f"http://{edge}")
                ids = [new_tx_id("skew") for _ in range(40)]
                bodies = [payment(tx_id) for tx_id in ids]
                refunds = [payment(tx_id, amount="4.00", status="refunded", event_id=f"r-{tx_id}") for tx_id in ids]
                # One after the other, so that both ledgers get some of each payment.
                first = await sender.send_all(bodies, concurrency=2)
                again = await sender.send_all(bodies, concurrency=2)
                refunded = await sender.send_all(refunds, concurrency=2)
                assert {reply.fields["status"] for reply in first} == {"processed"}
                assert {reply.fields["status"] for reply in again} == {"already_processed"}
                assert {reply.fields["status"] for reply in refunded} == {"updated"}
                with auditing(url) as audit:
                    audit.assert_stored_once(
                        {tx_id: [body, refund] for tx_id, body, refund in zip(ids, bodies, refunds, strict=True)}
                    )
