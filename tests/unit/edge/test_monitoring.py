"""The monitoring pages: who may see them, how everything is, and what went wrong lately."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.errors import Fault, Kind
from mesh.server import dependency_service
from tests.unit.edge.rig import API_KEY, Edge, running_edge, signed

MONITORING = {"X-Monitoring-Key": "the-monitoring-key-0123456789"}
LEDGER = ("ledger", "autopay.ledger.v1.LedgerService")
INSIGHT = ("insight", "autopay.insight.v1.InsightService")
MONGODB = ("ledger", dependency_service("mongodb"))
GEMINI = ("insight", dependency_service("gemini"))


@pytest.fixture
async def edge() -> Any:
    """An edge with a monitoring key."""
    async with running_edge(monitoring_key=MONITORING["X-Monitoring-Key"]) as running:
        yield running


async def health(edge: Edge) -> tuple[int, str, dict[str, Any]]:
    """Return the status, the word for the whole, and the dependencies by name."""
    got = await edge.send("GET", "/monitoring/health", headers=MONITORING)
    return got.status, got.json["status"], {each["name"]: each for each in got.json["dependencies"]}


@pytest.mark.parametrize("path", ["/monitoring/health", "/monitoring/errors"])
async def test_a_key_opens_the_pages(edge: Edge, path: str) -> None:
    """The monitoring key or an API key with the scope; nobody without."""
    for headers in (MONITORING, {"X-API-Key": API_KEY}, {"Authorization": f"Bearer {API_KEY}"}):
        assert (await edge.send("GET", path, headers=headers)).status == 200
    for headers in ({}, {"X-Monitoring-Key": "x"}, {"X-API-Key": MONITORING["X-Monitoring-Key"]}):
        assert (await edge.send("GET", path, headers=headers)).status == 401


async def test_the_pages_have_a_budget_of_their_own() -> None:
    """Monitoring is counted apart from reads."""
    async with running_edge(monitoring_key=MONITORING["X-Monitoring-Key"], limit_monitoring="2/minute") as edge:
        statuses = [(await edge.send("GET", "/monitoring/errors", headers=MONITORING)).status for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_when_all_is_well(edge: Edge) -> None:
    """Every dependency is up, with its latency and its last success."""
    status, word, found = await health(edge)
    assert (status, word) == (200, "ok")
    assert list(found) == ["ingest", "ledger", "mongodb", "insight", "gemini"]
    assert {each["state"] for each in found.values()} == {"up"}
    assert all(each["latency_ms"] >= 0 and each["last_success"].endswith("Z") for each in found.values())
    assert (found["mongodb"]["reported_by"], found["ledger"]["reported_by"]) == ("ledger", None)


async def test_what_is_needed_and_down_is_503(edge: Edge) -> None:
    """Without MongoDB no webhook is durable; the last success says since when."""
    _, _, before = await health(edge)
    edge.checks.states[MONGODB] = False
    status, word, found = await health(edge)
    assert (status, word, found["mongodb"]["state"]) == (503, "down", "down")
    assert found["mongodb"]["last_success"] == before["mongodb"]["last_success"]


async def test_what_is_not_needed_only_degrades(edge: Edge) -> None:
    """Webhooks are taken without insight and without Gemini."""
    edge.checks.states[GEMINI] = False
    assert (await health(edge))[:2] == (200, "degraded")


async def test_what_nobody_reports_is_unknown(edge: Edge) -> None:
    """A dependency that is not reported, or whose process is away, is neither up nor down."""
    edge.checks.states[GEMINI] = None
    assert (await health(edge))[2]["gemini"]["state"] == "unknown"
    edge.checks.states.update({LEDGER: False, MONGODB: False})
    status, word, found = await health(edge)
    assert (status, word) == (503, "down")
    assert (found["ledger"]["state"], found["mongodb"]["state"]) == ("down", "unknown")
    edge.checks.states = {INSIGHT: False, GEMINI: False}
    assert (await health(edge))[:2] == (200, "degraded")


async def test_errors_are_counted_and_listed(edge: Edge) -> None:
    """Refused webhooks and failed reads are counted by reason, each with the ids that its answer had."""
    refused = await edge.deliver(headers={**signed(b"another"), "X-Note": "s3cr3t"})
    edge.ledger.fault = Fault(kind=Kind.UNAVAILABLE, reason="DEPENDENCY_DOWN", message="Away.")
    failed = await edge.send("GET", "/transaction/S3CR3T", headers={"X-API-Key": API_KEY})
    assert (refused.status, failed.status) == (403, 503)
    got = await edge.send("GET", "/monitoring/errors", headers=MONITORING)
    for window in ("5m", "1h", "24h"):
        assert got.json["windows"][window] == {"total": 2, "by_reason": {"SIGNATURE_INVALID": 1, "DEPENDENCY_DOWN": 1}}
    newest, oldest = got.json["recent"]
    assert (newest["where"], newest["status"]) == ("/transaction/{tx_id}", 503)
    assert (oldest["where"], oldest["reason"]) == ("autopay", "SIGNATURE_INVALID")
    for incident, answer in ((newest, failed), (oldest, refused)):
        assert (incident["request_id"], incident["trace_id"]) == (answer.json["request_id"], answer.json["trace_id"])
    assert got.json["scope"] == "this replica"
    assert b"s3cr3t" not in got.body.lower()


async def test_what_went_well_is_no_error(edge: Edge) -> None:
    """An accepted webhook is not counted."""
    assert (await edge.deliver()).status == 200
    got = await edge.send("GET", "/monitoring/errors", headers=MONITORING)
    assert (got.json["windows"]["24h"]["total"], got.json["recent"]) == (0, [])
