"""ExportModel over a real server: from MongoDB, in parts, and UNAVAILABLE without it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc

from mesh.server import Server
from services.insight.adapters.mongo import connect, database_of
from services.insight.adapters.mongo_lease import MongoLease
from services.insight.adapters.mongo_model import MongoModel
from services.insight.adapters.mongo_profiles import MongoProfiles
from services.insight.detector import Scorecard
from services.insight.export_servicer import ExportServicer
from services.insight.exporting import Exporter
from services.insight.memory import EMPTY, learn
from services.insight.model import Position
from services.insight.portable import profile_line, read_model
from services.insight.profile import ProfileState

INSIGHT = insight_pb2.DESCRIPTOR.services_by_name["InsightService"].full_name
CARD = Scorecard(verdicts=4)
PART_BYTES_MAX = 1 << 20


@asynccontextmanager
async def exporting(url: str) -> AsyncIterator[insight_pb2_grpc.InsightServiceStub]:
    """A server that exports what a database holds."""
    client = connect(url, pool_min=0, pool_max=2)
    exporter = Exporter(MongoModel(database_of(client, url)), scorecard=lambda: CARD)
    server = Server(services=[INSIGHT], reflect=False)
    insight_pb2_grpc.add_InsightServiceServicer_to_server(ExportServicer(exporter), server.handlers)
    port = await server.start("127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield insight_pb2_grpc.InsightServiceStub(channel)
    await server.drain(notice_s=0, grace_s=0)
    client.close()


async def parts(stub: insight_pb2_grpc.InsightServiceStub, *, profiles: bool) -> list[insight_pb2.ExportModelResponse]:
    """Everything that is handed out."""
    call = stub.ExportModel(insight_pb2.ExportModelRequest(profiles=profiles), timeout=10)
    return [part async for part in call]


async def save(url: str, profiles: list[tuple[str, ProfileState]], position: Position) -> None:
    """Save as a learner does."""
    client = connect(url, pool_min=0, pool_max=2)
    database = database_of(client, url)
    await MongoProfiles(database).save(profiles)
    lease = MongoLease(database, owner="learner", lease_s=15)
    await lease.acquire()
    await lease.advance(position)
    client.close()


async def test_every_profile_is_handed_out_once(mongo_url: str) -> None:
    """The model first, with how far it has learnt, then every account by key, in parts below a MiB, exactly."""
    memory = EMPTY
    for number in range(70):
        memory = learn(memory, 1_700_000_000.3 + number * 777.7, 3.1)
    saved = [
        (f"a:autopay:{number:04}", ProfileState(sequence=2**40 + number, sends=memory, receives=memory))
        for number in range(600)
    ]
    await save(
        mongo_url,
        [*saved, ("p:autopay", ProfileState(sequence=600, sends=memory))],
        Position(token="t", sequence=2**40 + 600),
    )
    async with exporting(mongo_url) as stub:
        model, *rest = await parts(stub, profiles=True)
    assert model.format == "model/1"
    assert read_model(model.part) == CARD
    assert json.loads(model.part)["sequence"] == 2**40 + 600
    assert {part.format for part in rest} == {"profiles/1"}
    assert len(rest) > 1
    assert max(len(part.part) for part in rest) < PART_BYTES_MAX
    lines = b"".join(part.part for part in rest).splitlines(keepends=True)
    assert lines[:-1] == [profile_line(key, state) for key, state in saved]
    assert json.loads(lines[-1])["key"] == "p:autopay"


async def test_without_profiles_only_the_model_leaves(mongo_url: str) -> None:
    """No account is named unless asked for; nothing learnt is ordinal 0."""
    await save(mongo_url, [("a:autopay:A", ProfileState(sequence=1))], Position(token="", sequence=0))
    async with exporting(mongo_url) as stub:
        (model,) = await parts(stub, profiles=False)
    assert json.loads(model.part)["sequence"] == 0
    assert b"a:autopay" not in model.part


async def test_without_a_database_it_is_unavailable() -> None:
    """What is known can't be told, and the caller may try again."""
    async with exporting("mongodb://127.0.0.1:1/autopay") as stub:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await parts(stub, profiles=True)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
