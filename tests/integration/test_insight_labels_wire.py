"""Labels over a real connection: who may say what of which payment."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc

from mesh.channel import call, open_channel
from mesh.errors import Fault, Kind
from mesh.server import Server
from services.insight.features import FEATURES
from services.insight.label_servicer import LabelServicer
from services.insight.labelling import Labeller
from services.insight.labels import Dispute, Label
from services.insight.vectors import pack
from tests.fakes.insight_memory import Disk, Watcher
from tests.fakes.insight_scores import MemoryScores
from tests.insight_teaching import a_payment

INSIGHT = insight_pb2.DESCRIPTOR.services_by_name["InsightService"].full_name
FRAUD, LEGITIMATE, UNSURE = insight_pb2.LABEL_FRAUD, insight_pb2.LABEL_LEGITIMATE, insight_pb2.LABEL_UNSURE
NOW_MS = int(time.time() * 1000)


@pytest.fixture
def disk() -> Disk:
    """What is stored."""
    return Disk()


@pytest.fixture
def watcher() -> Watcher:
    """What the observer is told."""
    return Watcher()


@pytest.fixture
async def stub(disk: Disk, watcher: Watcher) -> AsyncIterator[insight_pb2_grpc.InsightServiceStub]:
    """A client of insight's labels; payment T-1 was learnt."""
    scores = MemoryScores(disk)
    await scores.insert([(1, a_payment()._replace(tx_id="T-1"), pack([0.0] * len(FEATURES)))])
    server = Server(services=[INSIGHT], reflect=False)
    servicer = LabelServicer(Labeller(scores, days=120, observer=watcher))
    insight_pb2_grpc.add_InsightServiceServicer_to_server(servicer, server.handlers)
    port = await server.start("127.0.0.1:0")
    await server.set_healthy(healthy=True)
    channel = open_channel(f"127.0.0.1:{port}", service=INSIGHT)
    yield insight_pb2_grpc.InsightServiceStub(channel)
    await channel.close()
    await server.drain(notice_s=0, grace_s=0)


def request(label: insight_pb2.Label = FRAUD, **fields: Any) -> insight_pb2.RecordLabelRequest:
    """A label of T-1."""
    facts = {"source": "autopay", "tx_id": "T-1", "label": label, "label_source": "analyst", "author": "ann", **fields}
    return insight_pb2.RecordLabelRequest(**facts)


async def test_a_label_is_recorded_and_told(
    stub: insight_pb2_grpc.InsightServiceStub, disk: Disk, watcher: Watcher
) -> None:
    """The first time it changes something, the second time it doesn't, and it is read back with who said so."""
    assert (await call(stub.RecordLabel, request(), timeout_s=5)).changed
    assert not (await call(stub.RecordLabel, request(author="bob"), timeout_s=5)).changed
    await MemoryScores(disk).dispute(Dispute(source="autopay", tx_id="T-1", version=2, label=Label.FRAUD))
    asked = insight_pb2.GetLabelsRequest(source="autopay", tx_id="T-1")
    found = await call(stub.GetLabels, asked, timeout_s=5)
    assert [(each.label_source, each.label, each.author) for each in found.labels] == [
        ("analyst", FRAUD, "ann"),
        ("dispute:autopay", FRAUD, ""),
    ]
    assert found.verdict == FRAUD
    assert (await call(stub.RecordLabel, request(LEGITIMATE), timeout_s=5)).changed
    assert (await call(stub.GetLabels, asked, timeout_s=5)).verdict == LEGITIMATE
    assert watcher.labels == [(Label.FRAUD, "call"), (Label.LEGITIMATE, "call")]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "Autopay"}, "source"),
        ({"tx_id": ""}, "tx_id"),
        ({"tx_id": "T" * 101}, "tx_id"),
        ({"label": insight_pb2.LABEL_UNSPECIFIED}, "label"),
        ({"label": 9}, "label"),
        ({"label_source": ""}, "label_source"),
        # Nobody states what only a dispute can.
        ({"label_source": "dispute:autopay"}, "label_source"),
        ({"label_source": "a.b"}, "label_source"),
        ({"author": "a" * 101}, "author"),
        ({"author": "a\0b"}, "author"),
    ],
)
async def test_a_wrong_field_is_named(
    stub: insight_pb2_grpc.InsightServiceStub, wrong: dict[str, Any], field: str
) -> None:
    """Nothing is recorded, and the caller hears which field it was."""
    with pytest.raises(Fault) as refused:
        await call(stub.RecordLabel, request(**wrong), timeout_s=5)
    assert (refused.value.kind, refused.value.fields[0].field) == (Kind.INVALID, field)


async def test_a_payment_that_was_not_learnt_is_not_found(stub: insight_pb2_grpc.InsightServiceStub) -> None:
    """The answer says why that may be, for recording and for reading."""
    for method, asked in (
        (stub.RecordLabel, request(tx_id="T-2")),
        (stub.GetLabels, insight_pb2.GetLabelsRequest(source="autopay", tx_id="T-2")),
    ):
        with pytest.raises(Fault, match="older than 120 days") as refused:
            await call(method, asked, timeout_s=5)
        assert (refused.value.kind, refused.value.reason) == (Kind.NOT_FOUND, "NOT_FOUND")


async def test_a_store_that_is_down_is_no_label(stub: insight_pb2_grpc.InsightServiceStub, disk: Disk) -> None:
    """The caller hears that nobody knows, and when to ask again."""
    disk.down = True
    for method, asked in (
        (stub.RecordLabel, request()),
        (stub.GetLabels, insight_pb2.GetLabelsRequest(source="autopay", tx_id="T-1")),
    ):
        with pytest.raises(Fault) as refused:
            await call(method, asked, timeout_s=5)
        assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "DEPENDENCY_DOWN")
        assert refused.value.retry_after_s == 1.0


async def test_where_nothing_is_kept_nothing_can_be_labelled() -> None:
    """The setting that switched it off is named."""
    labeller = Labeller(MemoryScores(Disk()), days=0, observer=Watcher())
    with pytest.raises(Fault, match="INSIGHT_SCORES_DAYS is 0"):
        await labeller.record("autopay", "T-1", "analyst", label=Label.FRAUD, author="")
