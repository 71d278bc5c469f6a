"""Every RPC of the ledger, ingest and insight under well-formed nonsense: always an answer that says what is wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import grpc
import pytest
from autopay.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from autopay_cli.embedded_mongo import EmbeddedMongo
from mesh.channel import MESSAGE_BYTES_MAX
from tests.fuzz_run import UNBUILT, Fuzz
from tests.fuzz_seeds import seeds
from tests.mesh_processes import RunningMesh, running_mesh
from tests.servers import fresh_database

# A nightly run asks for more.
CASES: Final = int(os.environ.get("AUTOPAY_FUZZ_CASES", "300"))
SEED: Final = int(os.environ.get("AUTOPAY_FUZZ_SEED", "3"))
PASSED_SHARE_MIN: Final = 0.2
SERVICES: Final = (
    ("ledger", ledger_pb2, "LedgerService", ledger_pb2_grpc.LedgerServiceStub),
    ("ingest", ingest_pb2, "IngestService", ingest_pb2_grpc.IngestServiceStub),
    ("insight", insight_pb2, "InsightService", insight_pb2_grpc.InsightServiceStub),
)
_START_S: Final = 15.0

_log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def mesh(mongo_server: EmbeddedMongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """A mesh whose ledger queues every payment to be analysed."""
    with (
        fresh_database(mongo_server) as url,
        running_mesh(url, tmp_path_factory.mktemp("fuzz"), {"LEDGER_ANALYSIS_POLICY": "all"}) as running,
    ):
        yield running


@pytest.mark.slow
@pytest.mark.timeout(max(120, CASES))
async def test_no_well_formed_request_is_answered_with_a_bug(
    mesh: RunningMesh, record_property: Callable[[str, object], None]
) -> None:
    """Whatever a message may hold, the answer is a result or says which field is wrong, and no log tells of a bug."""
    await _let_ingest_find_the_ledger(mesh)
    fuzz, started = Fuzz(SEED), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for process, module, service, stub_of in SERVICES:
            group.create_task(_fuzz_service(fuzz, mesh.addresses[process], module, service, stub_of))
    _log.info("fuzzed in %.1f s\n%s", time.monotonic() - started, fuzz.report())
    record_property("fuzz", fuzz.report())
    record_property("fuzz_passed_share", round(fuzz.share(), 3))
    bugs = [line for name in ("ledger", "ingest", "insight") for line in mesh.log_lines(name) if _tells_of_a_bug(line)]
    assert not fuzz.wrong, f"{len(fuzz.wrong)} wrong answers\n" + "\n".join(fuzz.wrong[:10]) + fuzz.report()
    assert not bugs, bugs[:3]
    assert fuzz.share() >= PASSED_SHARE_MIN, fuzz.report()
    for name, codes in fuzz.codes.items():
        assert codes.total() == CASES
        assert name in UNBUILT or fuzz.passed[name] >= CASES // 20, fuzz.report()


async def _let_ingest_find_the_ledger(mesh: RunningMesh) -> None:
    """Wait for the mesh's own connections: a process may be healthy while it still pauses after a refused one."""
    request = next(each for each in seeds() if isinstance(each, ingest_pb2.IngestRequest))
    async with grpc.aio.insecure_channel(mesh.addresses["ingest"]) as channel, asyncio.timeout(_START_S):
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        while True:
            try:
                await stub.Ingest(request, timeout=_START_S)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.1)
            else:
                return


async def _fuzz_service(fuzz: Fuzz, target: str, module: Any, service: str, stub_of: Callable[..., Any]) -> None:
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        stub = stub_of(channel)
        for method in module.DESCRIPTOR.services_by_name[service].methods:
            await fuzz.run(stub, method, cases=CASES)


def _tells_of_a_bug(line: Mapping[str, Any]) -> bool:
    # gRPC's own word for an answer that a deadline overtook.
    if "expected bytes, NoneType found" in str(line.get("traceback", "")):
        return False
    return line.get("level") in {"error", "critical"} or "Traceback" in str(line.get("text", ""))
