"""Insight's own API over a real server: Score, its limits, its spans, and what is not built."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
import structlog
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.type.v1 import money_pb2, payment_pb2, risk_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mesh import tracing
from mesh.channel import call, open_channel
from mesh.errors import Fault, Kind
from mesh.server import Server
from services.insight.cache import CacheLimits, ProfileCache
from services.insight.magnitude import log_amount
from services.insight.memory import DAY_S, learn
from services.insight.profile import Profile
from services.insight.scoring import Scorer
from services.insight.servicer import InsightServicer
from tests.fakes.insight_memory import Disk, MemoryProfiles, Watcher

INSIGHT = insight_pb2.DESCRIPTOR.services_by_name["InsightService"].full_name
NOW_MS = 1_700_000_000_000


def item(number: int = 1, *, sender: str = "REGULAR", minor_units: int = 2_600) -> insight_pb2.ScoreItem:
    """An event to score."""
    return insight_pb2.ScoreItem(
        source="autopay",
        event=payment_pb2.PaymentEvent(
            tx_id=f"T-{number}",
            kind=payment_pb2.EVENT_KIND_CAPTURED,
            amount=money_pb2.Money(minor_units=minor_units, currency="USD", exponent=2),
            sender_account=sender,
            receiver_account="R",
        ),
        received_at_ms=NOW_MS,
    )


@pytest.fixture
def disk() -> Disk:
    """A store that knows one regular sender."""
    disk, regular = Disk(), Profile.of("a:autopay:REGULAR")
    receiver = Profile.of("a:autopay:R")
    for day in range(30):
        at_s = NOW_MS / 1000 - (30 - day) * DAY_S
        regular.sends = learn(regular.sends, at_s, log_amount(2_500 + day, "USD"), receiver.mark)
    disk.profiles["a:autopay:REGULAR"] = regular.state()
    return disk


@pytest.fixture
def watcher() -> Watcher:
    """What the servicer's observer is told."""
    return Watcher()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """The spans that left the process."""
    return InMemorySpanExporter()


@pytest.fixture
def traces(spans: InMemorySpanExporter) -> Iterator[tracing.Tracing]:
    """The process's tracing; shutting it down exports what is left."""
    traces = tracing.configure("insight", exporter=spans)
    yield traces
    traces.shutdown()


@pytest.fixture
async def insight(
    disk: Disk, watcher: Watcher, traces: tracing.Tracing
) -> AsyncIterator[insight_pb2_grpc.InsightServiceStub]:
    """A client of a running insight whose profiles are on `disk`."""
    cache = ProfileCache(MemoryProfiles(disk), CacheLimits(), clock=time.monotonic, log=structlog.get_logger())
    server = Server(services=[INSIGHT], reflect=False)
    servicer = InsightServicer(Scorer(cache), tracing=traces, observer=watcher)
    insight_pb2_grpc.add_InsightServiceServicer_to_server(servicer, server.handlers)
    port = await server.start("127.0.0.1:0")
    await server.set_healthy(healthy=True)
    channel = open_channel(f"127.0.0.1:{port}", service=INSIGHT)
    yield insight_pb2_grpc.InsightServiceStub(channel)
    await channel.close()
    await server.drain(notice_s=0, grace_s=0)
    await cache.close()


async def score(stub: insight_pb2_grpc.InsightServiceStub, *items: insight_pb2.ScoreItem) -> insight_pb2.ScoreResponse:
    """Call Score."""
    return await call(stub.Score, insight_pb2.ScoreRequest(items=items), timeout_s=2)


async def test_a_full_batch_is_answered_in_order(
    insight: insight_pb2_grpc.InsightServiceStub, disk: Disk, watcher: Watcher
) -> None:
    """256 items get 256 risks in order, from one query; the one that stands out has its reason."""
    items = [item(number, sender="REGULAR" if number % 2 else f"S-{number}") for number in range(256)]
    items[101] = item(101, minor_units=9_000_000)
    response = await score(insight, *items)
    assert len(response.risks) == 256
    assert len(disk.queries) == 1
    odd = response.risks[101]
    assert odd.level >= risk_pb2.RISK_LEVEL_HIGH
    assert odd.reasons[0].code == "AMOUNT_ABOVE_HISTORY"
    assert odd.reasons[0].evidence["amount_z"]
    assert {risk.level for place, risk in enumerate(response.risks) if place != 101} == {risk_pb2.RISK_LEVEL_LOW}
    assert response.risks[100].score > response.risks[99].score
    assert not response.risks[99].reasons
    assert {risk.model_version for risk in response.risks} == {"2.0"}
    assert len(watcher.risks) == 256


async def test_the_same_call_gets_the_same_answer(insight: insight_pb2_grpc.InsightServiceStub, disk: Disk) -> None:
    """Scoring changes nothing: neither the store nor the next answer."""
    items = [item(1), item(2, sender="NOBODY"), item(3, minor_units=50_000_000)]
    before = dict(disk.profiles)
    assert await score(insight, *items) == await score(insight, *items)
    assert disk.profiles == before


async def test_without_a_store_it_still_answers(insight: insight_pb2_grpc.InsightServiceStub, disk: Disk) -> None:
    """While the store is down a batch is scored by what is known, within the budget."""
    disk.down = True
    response = await score(insight, item(1), item(2, minor_units=10**15))
    assert response.risks[0].level == risk_pb2.RISK_LEVEL_LOW
    assert [reason.code for reason in response.risks[1].reasons] == ["AMOUNT_ABOVE_SOURCE"]
    disk.down, disk.delay_s = False, 5.0
    started = time.monotonic()
    await score(insight, item(1))
    assert time.monotonic() - started < 0.5


async def test_an_event_known_by_its_aliases_alone_is_scored(insight: insight_pb2_grpc.InsightServiceStub) -> None:
    """Which payment it belongs to only the ledger finds out; its risk does not depend on that."""
    aliased = item()
    aliased.event.tx_id = ""
    aliased.event.aliases.append("ch-1")
    response = await score(insight, item(), aliased)
    assert len(response.risks) == 2
    assert response.risks[0].score == response.risks[1].score


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("source", {"source": ""}),
        ("source", {"source": "s" * 41}),
        ("event.tx_id", {"event": {"tx_id": ""}}),
        ("event.tx_id", {"event": {"tx_id": "x" * 101}}),
        ("event.sender_account", {"event": {"sender_account": "x" * 51}}),
        ("event.receiver_account", {"event": {"receiver_account": "x" * 51}}),
        ("event.amount.minor_units", {"event": {"amount": {"minor_units": -1, "currency": "USD"}}}),
        ("event.amount.currency", {"event": {"amount": {"minor_units": 5, "currency": "DOLLAR"}}}),
        ("received_at_ms", {"received_at_ms": 0}),
        ("received_at_ms", {"received_at_ms": 2**60}),
    ],
)
async def test_a_wrong_item_is_named(
    insight: insight_pb2_grpc.InsightServiceStub, field: str, change: dict[str, object]
) -> None:
    """An invalid item is refused with its field and place, without repeating its value."""
    wrong = item()
    for name, value in change.items():
        if isinstance(value, dict):
            for inner, inner_value in value.items():
                if isinstance(inner_value, dict):
                    wrong.event.amount.CopyFrom(money_pb2.Money(**inner_value))
                else:
                    setattr(wrong.event, inner, inner_value)
        else:
            setattr(wrong, name, value)
    with pytest.raises(Fault) as refused:
        await score(insight, item(), wrong)
    assert refused.value.kind is Kind.INVALID
    assert [violation.field for violation in refused.value.fields] == [f"items[1].{field}"]


async def test_a_batch_has_bounds(insight: insight_pb2_grpc.InsightServiceStub) -> None:
    """An empty batch is invalid, one of 257 is too large and told the limit."""
    with pytest.raises(Fault) as empty:
        await score(insight)
    assert empty.value.fields[0].field == "items"
    with pytest.raises(Fault) as large:
        await score(insight, *[item()] * 257)
    assert large.value.reason == "TOO_LARGE"
    assert large.value.metadata == {"limit": "256"}


async def test_what_is_not_built_says_so(insight: insight_pb2_grpc.InsightServiceStub) -> None:
    """The rest of the contract answers UNIMPLEMENTED with its reason."""
    for method, request in (
        (insight.ExplainTransaction, insight_pb2.ExplainTransactionRequest(source="autopay", tx_id="T-1")),
        (insight.GenerateReport, insight_pb2.GenerateReportRequest(since_ms=1, until_ms=2)),
    ):
        with pytest.raises(Fault) as refused:
            await call(method, request, timeout_s=2)
        assert (refused.value.kind, refused.value.reason) == (Kind.UNIMPLEMENTED, "NOT_IMPLEMENTED")
    with pytest.raises(grpc.aio.AioRpcError) as streamed:
        await anext(aiter(insight.ExportModel(insight_pb2.ExportModelRequest(), timeout=2)))
    assert streamed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_only_sampled_items_have_a_span(
    insight: insight_pb2_grpc.InsightServiceStub, traces: tracing.Tracing, spans: InMemorySpanExporter
) -> None:
    """A sampled item's span continues its trace and says what was found; an unsampled one has none."""
    sampled, unsampled = item(1), item(2)
    sampled.traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    unsampled.traceparent = f"00-{'c' * 32}-{'d' * 16}-00"
    await score(insight, sampled, unsampled, item(3))
    traces.shutdown()
    (span,) = spans.get_finished_spans()
    assert span.name == "insight.score"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b" * 16
    assert span.attributes is not None
    assert span.attributes["autopay.risk.level"] == "low"
