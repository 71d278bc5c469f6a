"""Reading payments over HTTP: who may, what is found, and what is told when it isn't."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from edge.representations import Payment
from mesh.errors import Fault, FieldViolation, Kind
from providers import registry
from tests.unit.edge.rig import API_KEY, Edge, running_edge

KEY = {"X-API-Key": API_KEY}
PAYMENT: Payment = {
    "source": "autopay",
    "tx_id": "T-1",
    "version": 2,
    "status": "success",
    "amount": "10.00",
    "currency": "EUR",
    "sender_account": "alice",
    "receiver_account": "shop",
    "totals": {"authorized": "10.00", "captured": "10.00", "refunded": "0.00", "disputed": "0.00"},
    "flags": [],
    "aliases": [],
    "risk": None,
    "event_count": 1,
    "analysis_state": "none",
    "recorded_at": "2027-01-31T12:00:00.000Z",
    "updated_at": "2027-01-31T12:00:00.000Z",
}


async def read(edge: Edge, tx_id: str = "T-1", *, headers: dict[str, str] | None = None, **query: Any) -> Any:
    """Ask for a payment."""
    return await edge.send("GET", f"/transaction/{tx_id}", headers=KEY if headers is None else headers, params=query)


async def test_a_payment_is_read_by_its_id(edge: Edge) -> None:
    """What the ledger knows comes back as JSON that no cache may answer with unasked."""
    edge.ledger.payments["autopay", "T-1"] = PAYMENT
    got = await read(edge)
    assert (got.status, got.json) == (200, PAYMENT)
    assert (got.headers["Content-Type"], got.headers["Cache-Control"]) == ("application/json", "private, no-cache")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    [(sources, tx_id)] = edge.ledger.asked
    assert (set(sources), tx_id) == (set(registry.load()), "T-1")


async def test_an_unknown_payment_is_404(edge: Edge) -> None:
    """A payment that no source knows is not found."""
    got = await read(edge)
    assert (got.status, got.json["reason"]) == (404, "NOT_FOUND")


async def test_a_source_may_be_named(edge: Edge) -> None:
    """With ?source= only that source is asked, configured here or not."""
    edge.ledger.payments["partner", "T-1"] = PAYMENT
    assert (await read(edge, source="partner")).status == 200
    assert edge.ledger.asked == [(("partner",), "T-1")]


async def test_an_id_that_several_sources_know_is_409(edge: Edge) -> None:
    """Sources are namespaces: an ambiguous id must be asked for with its source, and the candidates are named."""
    edge.ledger.payments["autopay", "T-1"] = PAYMENT

    async def find(sources: object, tx_id: str, *, timeout_s: float) -> list[Payment]:
        return [PAYMENT, {**PAYMENT, "source": "another"}]

    edge.ledger.find = find  # type: ignore[method-assign]
    got = await read(edge)
    assert (got.status, got.json["reason"]) == (409, "AMBIGUOUS")
    assert got.json["sources"] == ["another", "autopay"]


@pytest.mark.parametrize("tx_id", ["x" * 101, "a%20b", "%C3%A9", "T-1%0A", "a%00b"])
async def test_an_id_of_other_letters_is_422(edge: Edge, tx_id: str) -> None:
    """What can't be an id is refused by field before the ledger is asked."""
    got = await edge.send("GET", f"/transaction/{tx_id}", headers=KEY)
    assert (got.status, got.json["reason"]) == (422, "INVALID_FIELD")
    assert got.json["errors"][0]["field"] == "tx_id"
    assert edge.ledger.asked == []


@pytest.mark.parametrize("source", ["", "Auto", "a b", "x" * 41])
async def test_a_source_of_other_letters_is_422(edge: Edge, source: str) -> None:
    """What can't be a source is refused by field."""
    got = await read(edge, source=source)
    assert (got.status, got.json["errors"][0]["field"]) == (422, "source")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": API_KEY},
        {"x-api-key": API_KEY},
        {"Authorization": f"Bearer {API_KEY}"},
        {"Authorization": f"bearer {API_KEY}"},
    ],
)
async def test_a_key_may_come_in_either_header(edge: Edge, headers: dict[str, str]) -> None:
    """X-API-Key and a Bearer token are the same key."""
    edge.ledger.payments["autopay", "T-1"] = PAYMENT
    assert (await read(edge, headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "reader"},
        {"X-API-Key": "reader."},
        {"X-API-Key": f"{API_KEY}x"},
        {"X-API-Key": API_KEY[:-1]},
        {"X-API-Key": API_KEY.replace("reader", "other")},
        {"X-API-Key": "é.ü"},
        {"Authorization": f"Basic {API_KEY}"},
        {"Authorization": "Bearer"},
        {"X-API-Key": "wrong.0123456789abcdefghijkl", "Authorization": f"Bearer {API_KEY}"},
    ],
)
async def test_without_a_valid_key_it_is_401(edge: Edge, headers: dict[str, str]) -> None:
    """A missing, unknown or wrong key is told so in one form, and the ledger is not asked."""
    got = await read(edge, headers=headers)
    assert (got.status, got.json["reason"]) == (401, "API_KEY_INVALID")
    assert edge.ledger.asked == []


async def test_the_key_is_asked_for_before_anything_else(edge: Edge) -> None:
    """Without a key nobody learns which ids are well-formed or known."""
    assert (await read(edge, "x" * 101, headers={})).status == 401


async def test_without_configured_keys_nobody_reads() -> None:
    """No key configured means no reads, not reads for everybody."""
    async with running_edge(api_keys="") as edge:
        for headers in ({}, {"X-API-Key": "."}, {"X-API-Key": "reader."}):
            assert (await read(edge, headers=headers)).status == 401


@pytest.mark.parametrize(
    ("kind", "status"),
    [(Kind.UNAVAILABLE, 503), (Kind.TIMEOUT, 503), (Kind.INTERNAL, 503), (Kind.EXHAUSTED, 503)],
)
async def test_a_ledger_that_can_not_be_read_is_503(edge: Edge, kind: Kind, status: int) -> None:
    """An outage behind the edge asks to try again, and never looks like an absent payment."""
    edge.ledger.fault = Fault(kind=kind, reason="DEPENDENCY_DOWN", message="The ledger is away.")
    got = await read(edge)
    assert (got.status, got.headers["Retry-After"], got.json["reason"]) == (status, "1", "DEPENDENCY_DOWN")


async def test_a_field_that_the_ledger_refuses_is_422(edge: Edge) -> None:
    """The ledger's own word on a field reaches the reader."""
    wrong = FieldViolation(field="names[0].tx_id", description="is odd")
    edge.ledger.fault = Fault(kind=Kind.INVALID, reason="INVALID_FIELD", message="m", fields=[wrong])
    got = await read(edge)
    assert got.status == 422
    assert got.json["errors"] == [{"field": "names[0].tx_id", "description": "is odd"}]


async def test_a_bug_in_a_read_is_a_problem_and_is_logged(edge: Edge) -> None:
    """An unexpected error is 500 without its text; the log has the traceback."""
    edge.ledger.fault = ArithmeticError("a secret detail")  # type: ignore[assignment]
    got = await read(edge)
    assert (got.status, got.json["reason"]) == (500, "INTERNAL")
    assert b"secret" not in got.body
    assert any("a secret detail" in line.get("traceback", "") for line in edge.lines())


async def test_the_front_page_says_what_is_here(edge: Edge) -> None:
    """`GET /` needs no key and names the paths."""
    got = await edge.send("GET", "/")
    assert got.status == 200
    assert "/webhooks/payments" in got.json["webhooks"]


async def test_a_reader_that_has_it_gets_304(edge: Edge) -> None:
    """The tag is strong: with it nothing comes again, and anything that changed comes anew, also without a version."""
    edge.ledger.payments["autopay", "T-1"] = PAYMENT
    tag = (await read(edge)).headers["Etag"]
    assert tag.startswith('"2-')
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        got = await read(edge, headers={**KEY, "If-None-Match": known})
        assert (got.status, got.body, got.headers["Etag"]) == (304, b"", tag)
    edge.ledger.payments["autopay", "T-1"] = {**PAYMENT, "analysis_state": "done"}
    assert (await read(edge, headers={**KEY, "If-None-Match": tag})).status == 200


async def test_the_full_view_needs_its_scope() -> None:
    """A key for reading sees no single events: the scope is named, and the ledger isn't asked for them."""
    digest = hashlib.sha256(API_KEY.partition(".")[2].encode()).hexdigest()
    async with running_edge(api_keys=f"reader:{digest}:transactions-read") as edge:
        edge.ledger.payments["autopay", "T-1"] = PAYMENT
        assert (await read(edge)).status == 200
        got = await read(edge, view="full")
        assert (got.status, got.json["reason"]) == (403, "API_KEY_INVALID")
        assert "transactions:full" in got.json["detail"]
        assert edge.ledger.full_reads == []


@pytest.mark.parametrize("query", [{}, {"source": "autopay"}])
async def test_the_full_view_is_read_where_it_is_written_down(edge: Edge, query: dict[str, Any]) -> None:
    """Single events come from the call that the ledger audits, once per answer."""
    edge.ledger.payments["autopay", "T-1"] = PAYMENT
    got = await read(edge, view="full", **query)
    assert (got.status, got.json["events"]) == (200, [])
    assert edge.ledger.full_reads == [("autopay", "T-1", "reader")]


async def test_a_page_links_to_the_next(edge: Edge) -> None:
    """Body and Link header name the same path, with every condition and the cursor; the last page has none."""
    edge.ledger.payments["autopay", "T-1"] = PAYMENT
    edge.ledger.cursor = "a+b/c="
    got = await edge.send("GET", "/transactions", headers=KEY, params={"status": "success", "limit": "1"})
    assert (got.status, got.json["transactions"], got.json["cursor"]) == (200, [PAYMENT], "a+b/c=")
    assert got.json["next"] == "/transactions?status=success&limit=1&cursor=a%2Bb%2Fc%3D"
    assert got.headers["Link"] == f'<{got.json["next"]}>; rel="next"'
    edge.ledger.cursor = ""
    got = await edge.send("GET", got.json["next"], headers=KEY)
    assert (got.json["cursor"], got.json["next"], "Link" in got.headers) == (None, None, False)
    assert [question.cursor for question in edge.ledger.pages] == ["", "a+b/c="]


async def test_what_the_ledger_says_of_a_cursor_reaches_the_reader(edge: Edge) -> None:
    """A cursor of another query is the reader's mistake and told so."""
    edge.ledger.fault = Fault(kind=Kind.INVALID, reason="TOKEN_INVALID", message="Not a token of this query.")
    got = await edge.send("GET", "/transactions?cursor=x", headers=KEY)
    assert (got.status, got.json["reason"]) == (422, "TOKEN_INVALID")


async def test_a_key_has_a_budget() -> None:
    """Over its budget a key is told 429 and the ledger isn't asked; whoever has no key is not counted."""
    async with running_edge(limit_reads="2/minute") as edge:
        for _ in range(3):
            assert (await edge.send("GET", "/transactions")).status == 401
        for _ in range(2):
            assert (await edge.send("GET", "/transactions", headers=KEY)).status == 200
        got = await read(edge)
        assert (got.status, got.json["reason"]) == (429, "RATE_LIMITED")
        assert int(got.headers["Retry-After"]) >= 1
        assert (len(edge.ledger.pages), edge.ledger.asked) == (2, [])


async def test_every_read_is_logged_by_what_is_safe(edge: Edge) -> None:
    """A line has the request's and the trace's id, the route as it is written, the key's id, outcome and duration."""
    await read(edge)
    (line,) = [line for line in edge.lines() if line["event"] == "read"]
    assert (line["route"], line["key_id"], line["outcome"], line["status"]) == (
        "/transaction/{tx_id}", "", "not_found", 404
    )  # fmt: skip
    assert {"request_id", "trace_id", "duration_ms"} <= set(line)
    assert "T-1" not in str(line)
