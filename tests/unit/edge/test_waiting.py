"""`Prefer: wait=N`: the answer brings the analysis, within ten seconds, for so many at once, and never fails by it."""

from __future__ import annotations

import asyncio
import time

import pytest

from edge.model import Analysed
from edge.representations import Analysis
from edge.waiting import wait_s_of
from mesh.errors import Fault, Kind
from tests.unit.edge.rig import BODY, Edge, Got, running_edge, signed

ANALYSIS = Analysis(
    summary="Ordinary.",
    category="ordinary",
    anomaly_assessment="None.",
    recommended_action="none",
    confidence=0.9,
    model_version="m-1",
)


async def deliver(edge: Edge, prefer: str | None) -> Got:
    """Send a valid delivery with a preference."""
    headers = signed(BODY) if prefer is None else {**signed(BODY), "Prefer": prefer}
    return await edge.deliver(headers=headers)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([], 0),
        (["wait=5"], 5),
        (["Wait = 5"], 5),
        (['wait="5"'], 5),
        (["respond-async, wait=3"], 3),
        (["handling=lenient; wait=3"], 3),
        (["return=minimal", "wait=2"], 2),
        (["wait=2, wait=9"], 2),
        (["wait=10"], 10),
        (["wait=999999999"], 10),
        (["wait=0"], 0),
        (["wait=-1"], 0),
        (["wait=1.5"], 0),
        (["wait"], 0),
        (["await=5"], 0),
        (["wait=5x"], 0),
        ([f"wait={'9' * 5_000}"], 0),
    ],
)
def test_how_long_is_asked_for(headers: list[str], wait_s: int) -> None:
    """Whole seconds, the first of several, at most ten; anything else asks for nothing."""
    assert wait_s_of(headers) == wait_s


async def test_the_analysis_comes_with_the_answer(edge: Edge) -> None:
    """All that is told without waiting is told, and the analysis; the header says how long it could have taken."""
    edge.ledger.analysis = Analysed(state="done", analysis=ANALYSIS)
    plain = await deliver(edge, None)
    got = await deliver(edge, "wait=30")
    assert (got.status, got.headers["Preference-Applied"]) == (200, "wait=10")
    assert (got.json["analysis"], got.json["analysis_state"]) == (ANALYSIS, "done")
    assert set(plain.json) == set(got.json) - {"analysis", "analysis_state"}
    assert "Preference-Applied" not in plain.headers


async def test_no_longer_than_asked_is_waited(edge: Edge) -> None:
    """An analysis that takes longer is not waited for; where it stands is told."""
    edge.ledger.analysed_after_s = 60
    started = time.monotonic()
    got = await deliver(edge, "wait=1")
    assert 0.9 < time.monotonic() - started < 3
    assert (got.status, got.json["analysis"], got.json["analysis_state"]) == (200, None, "queued")


async def test_what_is_durable_stays_acknowledged(edge: Edge) -> None:
    """A ledger that can't be asked any more changes nothing about what it has stored."""
    edge.ledger.fault = Fault(kind=Kind.UNAVAILABLE, reason="DEPENDENCY_DOWN", message="Away.")
    got = await deliver(edge, "wait=1")
    assert (got.status, "Preference-Applied" in got.headers) == (200, False)


async def test_only_so_many_wait() -> None:
    """One more is answered at once, without the header."""
    async with running_edge(waiters_max=2) as edge:
        edge.ledger.analysed_after_s = 1.0
        edge.ledger.analysis = Analysed(state="done", analysis=ANALYSIS)
        answers = await asyncio.gather(*(deliver(edge, "wait=5") for _ in range(5)))
        assert sorted("Preference-Applied" in each.headers for each in answers) == [False] * 3 + [True] * 2
        assert "Preference-Applied" in (await deliver(edge, "wait=5")).headers


async def test_an_error_waits_for_nothing(edge: Edge) -> None:
    """Only a payment that is recorded can be analysed."""
    edge.ledger.analysed_after_s = 60
    got = await edge.deliver(headers={**signed(b"another"), "Prefer": "wait=9"})
    assert (got.status, "Preference-Applied" in got.headers) == (403, False)
