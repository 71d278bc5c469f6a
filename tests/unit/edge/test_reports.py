"""Reports over HTTP: who may read them, of which time, in which format, and what is told where there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mesh.errors import Fault, Kind
from tests.unit.edge.rig import API_KEY, Edge, running_edge

KEY = {"X-API-Key": API_KEY}


@pytest.fixture
async def edge() -> Any:
    """An edge."""
    async with running_edge() as running:
        yield running


async def test_the_last_day_is_reported(edge: Edge) -> None:
    """Without more it is the last 24 hours, as JSON, which nobody keeps."""
    got = await edge.send("GET", "/reports/daily", headers=KEY)
    assert (got.status, got.headers["Content-Type"]) == (200, "application/json")
    assert got.headers["Cache-Control"] == "no-store"
    assert got.json["now"]["count"] == 9_303
    (asked,) = edge.reports.asked
    assert isinstance(asked, tuple)
    since, until, form = asked
    assert (until - since, form) == (timedelta(days=1), "json")
    assert abs(datetime.now(UTC) - until) < timedelta(minutes=1)


async def test_any_day_can_be_asked_for(edge: Edge) -> None:
    """A date is that day in UTC."""
    await edge.send("GET", "/reports/daily?date=2027-01-30&format=md", headers=KEY)
    start = datetime(2027, 1, 30, tzinfo=UTC)
    assert edge.reports.asked == [(start, start + timedelta(days=1), "md")]


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("html", "text/html; charset=utf-8"), ("md", "text/markdown; charset=utf-8"), ("pdf", "application/pdf")],
)
async def test_each_format_comes_as_what_it_is(edge: Edge, form: str, media_type: str) -> None:
    """The page may have its own styles and nothing else; no format is guessed by a browser."""
    got = await edge.send("GET", f"/reports/daily?format={form}", headers=KEY)
    assert (got.status, got.headers["Content-Type"]) == (200, media_type)
    policy = got.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert ("style-src 'unsafe-inline'" in policy) is (form == "html")
    assert got.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_stored_one_can_be_asked_for(edge: Edge) -> None:
    """It has a period of its own."""
    assert (await edge.send("GET", "/reports/daily?stored=true&format=html", headers=KEY)).status == 200
    assert edge.reports.asked == ["html"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("date=yesterday", "date"),
        ("date=2027-02-30", "date"),
        ("format=xml", "format"),
        ("stored=1", "stored"),
        ("stored=true&date=2027-01-30", "stored"),
        ("since=2027-01-30", "since"),
        ("date=2027-01-30&date=2027-01-31", "date"),
    ],
)
async def test_a_wrong_question_is_named(edge: Edge, query: str, field: str) -> None:
    """422, and insight isn't asked."""
    got = await edge.send("GET", f"/reports/daily?{query}", headers=KEY)
    assert (got.status, got.json["errors"][0]["field"]) == (422, field)
    assert edge.reports.asked == []


async def test_a_key_with_the_scope_is_needed() -> None:
    """No key is 401, a key for payments alone is 403."""
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    async with running_edge(api_keys=f"reader:{digest}:transactions-read") as edge:
        assert (await edge.send("GET", "/reports/daily")).status == 401
        got = await edge.send("GET", "/reports/daily", headers={"X-API-Key": "reader.secret"})
        assert got.status == 403


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        (Kind.NOT_FOUND, "NOT_FOUND", 404),
        (Kind.UNAVAILABLE, "DEPENDENCY_DOWN", 503),
        (Kind.UNIMPLEMENTED, "NOT_IMPLEMENTED", 501),
    ],
)
async def test_what_insight_refuses_is_told(edge: Edge, kind: Kind, reason: str, status: int) -> None:
    """None stored, down, or a format that can't be made here."""
    edge.reports.fault = Fault(kind=kind, reason=reason, message="said by insight")
    got = await edge.send("GET", "/reports/daily?format=pdf", headers=KEY)
    assert (got.status, got.json["reason"], got.json["detail"]) == (status, reason, "said by insight")
