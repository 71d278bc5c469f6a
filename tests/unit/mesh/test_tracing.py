"""Spans made by hand: who is sampled, what is below what, what is linked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link

from mesh.tracing import LINKS_MAX, Tracing, configure, parse, traceparent_of

FOREIGN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Finish = Callable[[Tracing], Sequence[ReadableSpan]]


@pytest.fixture(autouse=True)
def no_otel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the machine's environment says of tracing."""
    for name in (
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_SERVICE_NAME",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Keeps the spans that end."""
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracing]:
    """Tracing that samples everything."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    made = configure("test", exporter=exporter)
    yield made
    made.shutdown()


@pytest.fixture
def finish(exporter: InMemorySpanExporter) -> Finish:
    """Return a function that exports what is left and returns it."""

    def done(tracing: Tracing) -> Sequence[ReadableSpan]:
        tracing.shutdown()
        return exporter.get_finished_spans()

    return done


def test_a_sampled_root_has_a_span_with_its_trace_id(tracing: Tracing, finish: Finish) -> None:
    """The ids handed out are those of the exported span, flagged as sampled, and nothing is above it."""
    root = tracing.root("POST /webhooks")
    assert root.span is not None
    root.span.end()
    [span] = finish(tracing)
    assert span.name == "POST /webhooks"
    assert span.parent is None
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == root.trace_id
    assert root.traceparent == f"00-{root.trace_id}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"
    assert span.context.trace_flags.sampled


def test_a_foreign_trace_is_linked_and_not_continued(tracing: Tracing, finish: Finish) -> None:
    """The sender's traceparent shows as a link; our trace begins with us."""
    root = tracing.root("x", FOREIGN)
    assert root.trace_id not in FOREIGN
    assert root.span is not None
    root.span.end()
    [span] = finish(tracing)
    assert span.parent is None
    assert [traceparent_of_link(link) for link in span.links] == [FOREIGN]


def traceparent_of_link(link: Link) -> str:
    """Return where a link points."""
    context = link.context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "nonsense",
        FOREIGN.upper(),
        FOREIGN[:-1],
        FOREIGN + "0",
        FOREIGN + "\n",
        "01" + FOREIGN[2:],
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        FOREIGN.replace("0", "٠"),  # noqa: RUF001 - digits of another script
    ],
)
def test_a_malformed_traceparent_is_ignored(tracing: Tracing, finish: Finish, malformed: str) -> None:
    """What is no W3C traceparent gives neither a link nor a span, and no error."""
    assert parse(malformed) is None
    root = tracing.root("x", malformed)
    assert root.span is not None
    root.span.end()
    assert tracing.item("y", malformed) is None
    [span] = finish(tracing)
    assert span.links == ()


def test_an_item_is_below_its_delivery_in_the_same_trace(tracing: Tracing, finish: Finish) -> None:
    """A hop's span continues the trace of the traceparent that came with the item."""
    root = tracing.root("edge")
    item = tracing.item("ledger.record", root.traceparent)
    assert item is not None
    assert root.span is not None
    assert traceparent_of(item).split("-")[1] == root.trace_id
    item.end()
    root.span.end()
    below, above = finish(tracing)
    assert below.parent is not None
    assert above.context is not None
    assert below.parent.span_id == above.context.span_id
    assert below.parent.is_remote


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_the_lowest_flag_decides(tracing: Tracing, flags: str, sampled: bool) -> None:
    """A caller's sampling is the lowest bit of the flags, whatever others are set (W3C Trace Context, level 2)."""
    assert (tracing.item("x", FOREIGN[:-2] + flags) is not None) == sampled


def test_a_batch_is_a_trace_of_its_own_linked_to_its_items(tracing: Tracing, finish: Finish) -> None:
    """A command that serves many deliveries belongs to none: it links to the sampled ones."""
    items = [tracing.item("item", tracing.root("edge").traceparent) for _ in range(3)]
    sampled = [item for item in items if item is not None]
    command = tracing.batch("mongo.insert", sampled, {"db.operation.batch.size": 256})
    assert command is not None
    command.end()
    [span] = finish(tracing)
    assert span.parent is None
    assert [traceparent_of_link(link) for link in span.links] == [traceparent_of(item) for item in sampled]
    assert dict(span.attributes or {}) == {"db.operation.batch.size": 256}


def test_a_batch_has_at_most_128_links(tracing: Tracing, finish: Finish) -> None:
    """The first 128 sampled items are linked, the rest are not, and nothing is dropped by the SDK."""
    items = [tracing.item("item", FOREIGN) for _ in range(200)]
    command = tracing.batch("mongo.insert", [item for item in items if item is not None], {})
    assert command is not None
    command.end()
    [span] = finish(tracing)
    assert len(span.links) == LINKS_MAX == 128
    assert span.dropped_links == 0


def test_a_batch_without_sampled_items_has_no_span(tracing: Tracing) -> None:
    """Nothing sampled, nothing spanned."""
    assert tracing.batch("mongo.insert", [], {}) is None


@pytest.mark.parametrize(("ratio", "few", "many"), [(None, 60, 140), ("0.5", 900, 1_100), ("1", 2_000, 2_000)])
def test_about_the_ratio_is_sampled(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, ratio: str | None, few: int, many: int
) -> None:
    """Of 2,000 deliveries about the configured share, by default 5 %, has a span; all have trace ids of their own."""
    if ratio is not None:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    tracing = configure("test", exporter=exporter)
    roots = [tracing.root("x") for _ in range(2_000)]
    assert few <= sum(root.span is not None for root in roots) <= many
    assert all((root.span is None) == root.traceparent.endswith("-00") for root in roots)
    assert len({root.trace_id for root in roots}) == 2_000
    tracing.shutdown()


@pytest.mark.parametrize("value", ["always_off", "parentbased_always_off"])
def test_nothing_is_sampled_where_that_is_said(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """With an always-off sampler no root has a span, but an item sampled by its caller does."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", value)
    tracing = configure("test", exporter=exporter)
    assert all(tracing.root("x").span is None for _ in range(100))
    assert tracing.item("x", FOREIGN) is not None
    tracing.shutdown()


@pytest.mark.parametrize("value", ["often", "", "nan", "-1", "7"])
def test_a_wrong_ratio_stops_nothing(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A sampler argument that is no ratio falls back to the default or the nearest ratio."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", value)
    tracing = configure("test", exporter=exporter)
    assert len(tracing.root("x").trace_id) == 32
    tracing.shutdown()


def test_nothing_is_exported_where_no_endpoint_is_set() -> None:
    """Without an OTLP endpoint ids are handed out, never flagged as sampled, and no span is made."""
    tracing = configure("test")
    root = tracing.root("x", FOREIGN)
    assert root.span is None
    assert parse(root.traceparent) is not None
    assert root.traceparent.endswith("-00")
    assert tracing.item("x", FOREIGN) is None
    tracing.shutdown()


def test_the_sdk_can_be_switched_off(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED=true wins over an endpoint."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "True")
    assert configure("test", exporter=exporter).item("x", FOREIGN) is None


@pytest.mark.parametrize(("name", "expected"), [(None, "autopay-edge"), ("mine", "mine")])
def test_spans_say_which_process_made_them(
    finish: Finish,
    exporter: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    name: str | None,
    expected: str,
) -> None:
    """The resource names the process, or what OTEL_SERVICE_NAME says."""
    if name is not None:
        monkeypatch.setenv("OTEL_SERVICE_NAME", name)
    tracing = configure("edge", exporter=exporter)
    span = tracing.item("x", FOREIGN)
    assert span is not None
    span.end()
    [ended] = finish(tracing)
    assert ended.resource.attributes["service.name"] == expected


@given(trace_id=st.integers(1, 2**128 - 1), span_id=st.integers(1, 2**64 - 1), flags=st.integers(0, 255))
def test_every_well_formed_traceparent_is_read(trace_id: int, span_id: int, flags: int) -> None:
    """`parse` gives back the ids and flags that were written."""
    context = parse(f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    assert context is not None
    assert (context.trace_id, context.span_id, context.trace_flags) == (trace_id, span_id, flags)
