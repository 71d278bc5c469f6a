"""Masking: what it finds by look, by field and by being a secret, what it leaves alone, and what a hot line costs."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mesh import logs, masking
from mesh.tracing import MaskingExporter

CARDS = ("4242424242424242", "4242 4242 4242 4242", "5555-5555-5555-4444", "378282246310005", "6011000990139424")
IBANS = ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "NO9386011117947")
OTHERS = (
    "jane.doe+x@mail.example.co.uk",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "sk_live_0123456789abcdef",
    "Bearer abcdefghijk0123",
    "reader.0123456789abcdefghijkl",
    "K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
)


@pytest.fixture(autouse=True)
def root_handlers() -> Iterator[None]:
    """Give the root logger its own handlers and level back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def logged(**fields: Any) -> dict[str, Any]:
    """Log one line of fields and return it."""
    written = io.TextIOWrapper(io.BytesIO())
    logs.configure("edge", "info", written).info("something", **fields)
    line: dict[str, Any] = json.loads(written.buffer.getvalue())
    return line


@pytest.mark.parametrize("canary", [*CARDS, *IBANS, *OTHERS])
@pytest.mark.parametrize("around", ["{}", "before {} after", "({})", "x={}, y", '"{}"'])
def test_what_looks_private_is_replaced(canary: str, around: str) -> None:
    """Wherever it stands in a text, it is gone, and the text around it stays."""
    masked = masking.text(around.format(canary))
    assert canary not in masked
    assert canary[-8:] not in masked
    assert masked.startswith(around.partition("{}")[0])


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424243",
        "1700000000000",
        "the order 1234567890123456 is no card",
        "DE88370400440532013000",
        "services.ledger.adapters.mongo_quarantine",
        "opentelemetry.exporter_of_a_very_long_name",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "2027-01-31T12:00:00.000Z",
        "goes on with the certificate it has: /run/tls/tls.crt: No such file or directory",
        "127.0.0.1:50051 and dns:///ledger.autopay.svc.cluster.local:50052",
        "spiffe://autopay/ns/payments/sa/ledger",
    ],
)
def test_what_only_resembles_it_stays(text: str) -> None:
    """Numbers that fail the check, names of modules, trace ids, times and addresses are needed to understand a log."""
    assert masking.text(text) == text


def test_a_hash_keeps_its_beginning() -> None:
    """A delivery can be found by it, and no signature can be made of it."""
    assert masking.text(f"autopay:{'ab12' * 16} was given up") == "autopay:ab12ab12… was given up"


def test_a_password_in_a_url_is_replaced() -> None:
    """The host stays, who logs in doesn't."""
    assert masking.text("mongodb://user:pa55@db:27017/x") == "mongodb://[userinfo]@db:27017/x"


def test_a_secret_of_this_process_is_known() -> None:
    """Whatever it looks like; and one that begins like another is gone whole."""
    masking.conceal(["correct horse", "correct horse battery", "short"])
    assert (
        masking.text("the correct horse battery, a correct horse, and short") == "the [secret], a [secret], and short"
    )


@pytest.mark.parametrize(
    "name", ["tx_id", "sender_account", "card", "X-Signature", "authorization", "http.header", "body"]
)
def test_a_private_field_is_a_mark(name: str) -> None:
    """The same value has the same mark, so that lines can be told to belong together."""
    one, same, other = masking.field(name, "T-1"), masking.field(name, "T-1"), masking.field(name, "T-2")
    assert one == same != other
    assert "T-1" not in one


def test_a_line_is_masked_field_by_field() -> None:
    """By name, by look, in lists and objects; numbers and our own ids stay."""
    line = logged(
        tx_id="T-1",
        note=f"card {CARDS[0]}",
        several=["a@b.example", 7],
        nested={"sender_account": "alice", "count": 3},
        request_id="r-1",
        duration_ms=1.5,
        error_message='dup key: { _id: "autopay:T-1" }',
        raw=b"jane@mail.example",
        flag=True,
    )
    assert line["tx_id"].startswith("[masked ")
    assert (line["note"], line["several"]) == ("card [card]", ["[email]", 7])
    assert line["nested"]["count"] == 3
    assert line["error_message"] == "dup key: { _id: [quoted] }"
    assert (line["request_id"], line["duration_ms"], line["raw"], line["flag"]) == ("r-1", 1.5, "[email]", True)
    assert "alice" not in str(line)
    assert "T-1" not in str(line)


def test_a_library_that_logs_what_it_was_given_is_masked() -> None:
    """Messages and tracebacks of the standard library's logging: places and types stay, what errors quote doesn't."""
    written = io.TextIOWrapper(io.BytesIO())
    logs.configure("edge", "info", written)
    try:
        {"a": 1}["S3CR3T-tx"]
    except KeyError:
        logging.getLogger("some.library").exception("failed for %s", CARDS[0])
    line = json.loads(written.buffer.getvalue())
    assert line["event"] == "failed for [card]"
    assert "KeyError: [quoted]" in line["traceback"]
    assert "test_masking.py" in line["traceback"]


def test_spans_are_masked_when_they_are_exported() -> None:
    """Attributes, exceptions and descriptions; names, ids and times stay."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(MaskingExporter(kept)))
    with (
        pytest.raises(ValueError, match="jane"),
        provider.get_tracer("t").start_as_current_span(
            "store", attributes={"tx_id": "T-1", "autopay.source": "s"}
        ) as span,
    ):
        raise ValueError("'T-1' of jane@mail.example")
    [exported] = kept.get_finished_spans()
    assert exported.context == span.get_span_context()
    assert (exported.name, (exported.attributes or {})["autopay.source"]) == ("store", "s")
    [event] = exported.events
    for shown in (
        str(dict(exported.attributes or {})),
        str(dict(event.attributes or {})),
        str(exported.status.description),
    ):
        assert "jane" not in shown
    assert "T-1" not in str(dict(exported.attributes or {})) + str(exported.status.description)
    assert (event.attributes or {})["exception.type"] == "ValueError"


@given(st.text())
def test_any_text_is_masked_without_an_error(text: str) -> None:
    """Whatever strangers make a library say."""
    masking.text(text)
    masking.traceback(text)
    masking.field("anything", text)


@pytest.mark.parametrize(
    "text", ["a@" * 20_000, "0 " * 20_000, "DE12" * 10_000, "a." * 20_000, "//:" * 20_000, "'" * 20_001]
)
def test_no_text_takes_long(text: str) -> None:
    """Forty thousand characters that were made to be slow are masked in well under a second."""
    started = time.process_time()
    masking.traceback(text)
    assert time.process_time() - started < 0.5


def test_a_line_of_safe_fields_costs_no_search() -> None:
    """The hot path's line is masked in less time than it takes to write it."""
    fields = {
        "event": "webhook", "request_id": "r-1", "trace_id": "0" * 32, "source": "autopay", "outcome": "processed",
        "status": 200, "duration_ms": 1.25,
    }  # fmt: skip
    masked = min(_cpu_s(lambda: masking.event(fields)) for _ in range(5))
    written = min(_cpu_s(lambda: json.dumps(fields)) for _ in range(5))
    assert masked < written / 2


def _cpu_s(work: Any) -> float:
    started = time.process_time()
    for _ in range(2_000):
        work()
    return time.process_time() - started
