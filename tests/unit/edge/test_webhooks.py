"""A webhook over a real connection: what reaches ingest, and what its sender is told of each outcome."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import select
import socket
import time

import pytest

from edge.model import Answer, Disposition, Outcome
from edge.webhooks import Answered, Webhooks
from mesh.batching import BatchLimits
from mesh.errors import Fault, FieldViolation, Kind
from tests.fakes.ingest import answered, without_events
from tests.unit.edge.rig import BODY, SECRET, Edge, running_edge, signed

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "reason", "request_id", "trace_id"}


async def test_a_delivery_reaches_ingest_as_it_was_sent(edge: Edge) -> None:
    """Exact bytes, source, provider, kept headers, key and times go on; the request id is the delivery id."""
    body = b'{ "tx_id" :\t"T-1", "\xc3\xbc": 1 }\r\n'
    headers = {**signed(body, age_s=7), "User-Agent": "a sender", "X-Other": "not kept", "Content-Type": "text/weird"}
    before_ms = time.time() * 1000
    got = await edge.deliver(body, headers=headers)
    [delivery] = edge.ingest.deliveries
    assert delivery.body == body
    assert (delivery.source, delivery.provider) == ("autopay", "autopay")
    assert dict(delivery.headers) == {
        "x-timestamp": headers["X-Timestamp"].encode(),
        "user-agent": b"a sender",
        "content-type": b"text/weird",
    }
    assert delivery.delivery_id == got.json["request_id"]
    assert re.fullmatch(r"[0-9a-f]{12}", delivery.key_id)
    assert before_ms - 1 <= delivery.received_at_ms <= time.time() * 1000
    assert delivery.signed_at_ms == int(headers["X-Timestamp"]) * 1000
    assert delivery.traceparent.split("-")[1] == got.json["trace_id"]


@pytest.mark.parametrize("path", ["/webhooks/payments", "/webhook/payment", "/webhooks/autopay"])
async def test_every_native_path_is_the_same_source(edge: Edge, path: str) -> None:
    """The specification's paths and the general form are one handler."""
    assert (await edge.deliver(path=path)).status == 200
    assert edge.ingest.deliveries[0].source == "autopay"


ACKNOWLEDGED = [
    (answered(Outcome.CREATED), "processed", "CREATED"),
    (answered(Outcome.UPDATED), "updated", "UPDATED"),
    (answered(Outcome.STALE), "stale", "STALE"),
    (answered(Outcome.DUPLICATE, disposition=Disposition.DUPLICATE), "already_processed", "DUPLICATE"),
]


@pytest.mark.parametrize(("answer", "word", "outcome"), ACKNOWLEDGED, ids=[word for _, word, _ in ACKNOWLEDGED])
async def test_what_is_recorded_is_acknowledged_with_its_outcome(
    edge: Edge, answer: Answer, word: str, outcome: str
) -> None:
    """Every durable outcome is 200 with the word for it, the payment's state and its risk."""
    edge.ingest.answer = lambda delivery: answer
    got = await edge.deliver()
    assert (got.status, got.headers["Content-Type"], got.headers["Cache-Control"]) == (
        200,
        "application/json",
        "no-store",
    )
    body = got.json
    assert len(body.pop("request_id")) >= 14
    assert len(body.pop("trace_id")) == 32
    assert body == {
        "status": word,
        "source": "autopay",
        "tx_id": "T-1",
        "event_id": "e-1",
        "outcome": outcome,
        "transaction_status": "success",
        "version": 1,
        "risk": {"score": 0.1, "level": "low", "reasons": []},
    }


async def test_what_means_nothing_to_payments_is_acknowledged_as_ignored(edge: Edge) -> None:
    """A verified delivery of another type is kept, and its sender need not send it again."""
    edge.ingest.answer = lambda delivery: without_events(Disposition.IGNORED)
    got = await edge.deliver()
    assert (got.status, got.json["status"], got.json["source"]) == (200, "ignored", "autopay")


async def test_an_outcome_of_tomorrow_is_acknowledged(edge: Edge) -> None:
    """A durable outcome that a newer ledger knows and this edge does not is a success, not a bug."""
    edge.ingest.answer = lambda delivery: answered(Outcome.UNKNOWN)
    assert (await edge.deliver()).status == 200


async def test_a_conflict_is_409_and_names_what_differs(edge: Edge) -> None:
    """A contradiction is told to the native sender, who can be corrected."""
    edge.ingest.answer = lambda delivery: answered(
        Outcome.CONFLICT, disposition=Disposition.CONFLICT, conflict_field="amount"
    )
    got = await edge.deliver()
    assert (got.status, got.json["reason"], got.json["conflict_field"]) == (409, "CONFLICT", "amount")
    assert "amount" in got.json["detail"]


@pytest.mark.parametrize("durable", [True, False])
async def test_wrong_fields_are_422_by_name(edge: Edge, durable: bool) -> None:
    """What can't be processed names every wrong field and why."""
    errors = [("amount", "must be greater than 0"), ("currency", "must be ISO 4217")]
    edge.ingest.answer = lambda delivery: without_events(
        Disposition.UNPROCESSABLE, durable=durable, reason="INVALID_FIELD", errors=errors
    )
    got = await edge.deliver()
    assert (got.status, got.json["reason"]) == (422, "INVALID_FIELD")
    assert got.json["errors"] == [{"field": name, "description": text} for name, text in errors]
    assert "amount, currency" in got.json["detail"]


NOT_DURABLE = [
    answered(durable=False),
    answered(Outcome.DUPLICATE, disposition=Disposition.DUPLICATE, durable=False),
    answered(Outcome.CONFLICT, disposition=Disposition.CONFLICT, durable=False),
    without_events(Disposition.IGNORED, durable=False),
    without_events(Disposition.UNKNOWN, durable=False, reason="NOT_DURABLE"),
    without_events(Disposition.UNKNOWN, durable=False, reason="CONTENDED"),
    without_events(Disposition.UNKNOWN),
]


@pytest.mark.parametrize("answer", NOT_DURABLE)
async def test_nothing_is_acknowledged_that_is_not_durable(edge: Edge, answer: Answer) -> None:
    """Whatever else the answer says, without durability it is 503, to be sent again in a second."""
    edge.ingest.answer = lambda delivery: answer
    got = await edge.deliver()
    assert (got.status, got.headers["Retry-After"]) == (503, "1")
    assert got.json["reason"] == (answer.reason or "NOT_DURABLE")


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("reason", ["NOT_DURABLE", "TOO_LARGE", "INVALID_FIELD"])
async def test_a_failing_mesh_is_503_whatever_it_says(kind: Kind, reason: str) -> None:
    """Whatever fails behind the edge is not the sender's doing: 503 with Retry-After, never a 4xx, and in time."""
    wrong = [FieldViolation(field="deliveries", description="too many")]
    async with running_edge(BatchLimits(wait_s_max=0.3, attempt_s_max=0.2)) as edge:
        edge.ingest.fault = Fault(kind=kind, reason=reason, message="It failed.", fields=wrong)
        got = await edge.deliver()
    assert (got.status, got.headers["Retry-After"]) == (503, "1")
    assert (got.json["reason"], got.json["detail"]) == (reason, "It failed.")
    assert set(got.json) == PROBLEM_MEMBERS


async def test_the_pause_of_an_overloaded_mesh_is_passed_on(edge: Edge) -> None:
    """Retry-After says what the mesh said, in whole seconds."""
    edge.ingest.fault = Fault(kind=Kind.CONFLICT, reason="OVERLOADED", message="Full.", retry_after_s=3.6)
    assert (await edge.deliver()).headers["Retry-After"] == "4"


async def test_a_hanging_mesh_is_503_within_two_seconds(edge: Edge) -> None:
    """When nothing answers, the sender still hears in time that it should send again."""
    edge.ingest.gate = asyncio.Event()
    started = time.monotonic()
    got = await edge.deliver()
    assert (got.status, got.json["reason"], got.headers["Retry-After"]) == (503, "NOT_DURABLE", "1")
    assert 1 < time.monotonic() - started < 2
    edge.ingest.gate.set()


async def test_a_full_queue_is_503_at_once_and_the_accepted_are_served() -> None:
    """Over the bound the edge refuses without waiting, and what it accepted before is answered."""
    async with running_edge(BatchLimits(wait_s_max=5, attempt_s_max=5, queue_items_max=3)) as edge:
        edge.ingest.gate = asyncio.Event()
        waiting = [asyncio.ensure_future(edge.deliver()) for _ in range(3)]
        await edge.until_waiting(3)
        got = await edge.deliver()
        assert (got.status, got.json["reason"], got.headers["Retry-After"]) == (503, "OVERLOADED", "1")
        edge.ingest.gate.set()
        assert [each.status for each in await asyncio.gather(*waiting)] == [200, 200, 200]


async def test_every_error_is_problem_json_with_the_ids_of_the_log(edge: Edge) -> None:
    """An error has the members of RFC 9457, a reason, and the request id and trace id that the log has, too."""
    got = await edge.deliver(headers={"X-Timestamp": "1", "X-Signature": "00"})
    assert got.headers["Content-Type"] == "application/problem+json"
    assert got.headers["Cache-Control"] == "no-store"
    problem = got.json
    assert set(problem) == PROBLEM_MEMBERS
    assert (problem["type"], problem["status"]) == ("about:blank", got.status)
    [line] = [line for line in edge.lines() if line["event"] == "webhook"]
    assert (line["request_id"], line["trace_id"]) == (problem["request_id"], problem["trace_id"])
    assert (line["status"], line["source"], line["outcome"]) == (403, "autopay", "signature_invalid")
    assert line["duration_ms"] > 0


async def test_request_ids_and_traces_are_unique(edge: Edge) -> None:
    """Every answer, good or bad, has ids of its own."""
    answers = await asyncio.gather(
        *(edge.deliver() for _ in range(20)), *(edge.deliver(b"?", headers={"X-Signature": "0"}) for _ in range(20))
    )
    assert len({got.json["request_id"] for got in answers}) == 40
    assert len({got.json["trace_id"] for got in answers}) == 40


async def test_a_senders_trace_is_not_continued(edge: Edge) -> None:
    """A provider's traceparent is foreign: the trace id in the answer is ours."""
    foreign = "0af7651916cd43dd8448eb211c80319c"
    headers = {**signed(BODY), "traceparent": f"00-{foreign}-b7ad6b7169203331-01"}
    assert (await edge.deliver(headers=headers)).json["trace_id"] != foreign


async def test_neither_secret_nor_body_is_in_the_log(edge: Edge) -> None:
    """What is logged of a webhook is its fate, never its content."""
    await edge.deliver()
    await edge.deliver(b'{"private": "matter"}', headers={"X-Signature": "0"})
    written = edge.logged()
    assert SECRET.encode() not in written
    assert b"sender_account" not in written
    assert b"matter" not in written


async def test_deliveries_that_come_together_go_on_together() -> None:
    """While two batches are out, what arrives is one batch; everybody gets the answer to its own delivery."""
    async with running_edge() as edge:
        edge.ingest.gate = asyncio.Event()
        edge.ingest.answer = lambda delivery: without_events(
            Disposition.UNPROCESSABLE, reason="INVALID_FIELD", errors=[(json.loads(delivery.body)["n"], "said")]
        )
        bodies = [json.dumps({"n": str(number)}).encode() for number in range(50)]
        sending = [asyncio.ensure_future(edge.deliver(body)) for body in bodies]
        await edge.until_waiting(50)
        edge.ingest.gate.set()
        fields = [got.json["errors"][0]["field"] for got in await asyncio.gather(*sending)]
    assert fields == [str(number) for number in range(50)]
    assert edge.ingest.batches <= 4


async def test_all_answers_of_a_batch_leave_before_any_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the log line, the metrics and the span of those who are answered with it."""
    senders: list[socket.socket] = []
    answered_by_then: list[int] = []
    account = Webhooks._account

    def looked(self: Webhooks, of: Answered) -> None:
        answered_by_then.append(len(select.select(senders, [], [], 0)[0]))
        account(self, of)

    monkeypatch.setattr(Webhooks, "_account", looked)
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(BODY).items())
    request = (
        f"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    )
    async with running_edge() as edge:
        edge.ingest.gate = asyncio.Event()
        for number in range(5):
            senders.append(socket.create_connection((edge.host, edge.port)))
            senders[-1].sendall(request)
            await edge.until_waiting(number + 1)
        edge.ingest.gate.set()
        async with asyncio.timeout(5):
            while len(answered_by_then) < len(senders):  # noqa: ASYNC110 - accounting tells nobody
                await asyncio.sleep(0.005)
        for sender in senders:
            sender.close()
    # Two left at once, each alone; the other three are one batch.
    assert answered_by_then[-3:] == [5, 5, 5]


async def test_one_answer_that_cannot_be_accounted_for_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every answer is tried once: those behind it are logged all the same, and so is whoever comes later."""
    account, tried = Webhooks._account, itertools.count(1)

    def broken(self: Webhooks, of: Answered) -> None:
        if next(tried) == 2:
            raise OSError("no room for the line")
        account(self, of)

    monkeypatch.setattr(Webhooks, "_account", broken)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    async with running_edge() as edge:
        edge.ingest.gate = asyncio.Event()
        sending = [asyncio.ensure_future(edge.deliver()) for _ in range(6)]
        await edge.until_waiting(6)
        edge.ingest.gate.set()
        answers = [got.status for got in await asyncio.gather(*sending)]
        answers.append((await edge.deliver()).status)
        await asyncio.sleep(0)
        logged = [line for line in edge.lines() if line["event"] == "webhook"]
    assert answers == [200] * 7
    assert (next(tried) - 1, len(logged)) == (7, 6)
