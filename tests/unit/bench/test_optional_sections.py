"""Sections that are not always run: what they hold, and what they lay out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import replicas
from bench.sections import concurrency, latency, scaling, slow_connections


def scaled(storm: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return figures of the scaling section that keep every promise, but for the changes."""
    right: dict[str, Any] = {
        "rounds": [{"count": count, "requests_per_s": 1_000.0, "complaints": []} for count in (1, 2)],
        "two_of_each": 1.0,
        "storm": {
            "fresh_us": 300.0,
            "repeated_us": 200.0,
            "repeated": 20_000,
            "stored": 1,
            "complaints": [],
            "turns": {"fresh": [300.0], "repeated": [200.0]},
            **(storm or {}),
        },
        "gathered": {"accepted": 101, "events": 101, "refunded_minor": 10_000, "status": "refunded"},
    }
    return {**right, **changes}


@pytest.mark.parametrize(
    ("figures", "broken"),
    [
        (scaled(), []),
        (scaled(two_of_each=0.9), ["two of each / one"]),
        (scaled({"repeated_us": 301.0}), ["CPU of a repeated payment / a fresh one"]),
        (scaled({"stored": 2}), ["payments a storm stored"]),
        (
            scaled(gathered={"accepted": 101, "events": 100, "refunded_minor": 9_900, "status": "partially_refunded"}),
            ["wrong after 100 events at once"],
        ),
    ],
)
def test_each_promise_of_scaling_has_a_gate(figures: dict[str, Any], broken: list[str]) -> None:
    """A figure beyond its limit breaks exactly its own gate."""
    assert [gate.name for gate in scaling.gates(figures) if not gate.passed] == broken
    assert len(scaling.tables(figures)) == 1
    assert set(scaling.samples(figures)) == {"1 of each: rate", "2 of each: rate", "fresh: CPU", "repeated: CPU"}


def test_a_target_of_several_names_each() -> None:
    """One replica is called by its address, several by a list that gRPC balances over."""
    assert replicas.target_of(["127.0.0.1:1"]) == "127.0.0.1:1"
    assert replicas.target_of(["127.0.0.1:1", "127.0.0.1:2"]) == "ipv4:127.0.0.1:1,127.0.0.1:2"


def test_connections_are_drawn_and_laid_out(tmp_path: Path) -> None:
    """A row per number of connections, and two pictures."""
    one = {"requests_per_s": 1_000.0, "p50_ms": 1.0, "p99_ms": 2.0, "p999_ms": 3.0, "cpu_us": {"edge": 1.0}}
    rest = {"late_cpu_us": {"edge": 1.0}, "others_cores": 0.0, "complaints": []}
    figures = {"windows": [{**one, **rest, "concurrency": count} for count in (1, 2)]}
    assert [gate.passed for gate in concurrency.gates(figures)] == [True]
    assert concurrency.tables(figures)[0].row_count == 2  # type: ignore[union-attr]
    assert all(file.stat().st_size > 0 for file in concurrency.draw(figures, tmp_path))


@pytest.mark.parametrize(
    ("p99_ms", "p999_ms", "complaints", "passed"),
    [
        (25.0, 60.0, [], [True, True, True]),
        (25.1, 60.1, [], [True, False, False]),
        (1.0, 1.0, ["1 timeouts"], [False, True, True]),
    ],
)
def test_half_of_saturation_has_gates(p99_ms: float, p999_ms: float, complaints: list[str], passed: list[bool]) -> None:
    """25 ms at p99 and 60 ms at p99.9, at half of the saturation, and nothing going wrong at any rate."""
    held = {"p99_ms": p99_ms, "p999_ms": p999_ms}
    shares = [{"share": share, "p99_ms": 500.0, "p999_ms": 500.0, "complaints": complaints} for share in (0.25, 0.75)]
    shares.insert(1, {"share": 0.5, **held, "complaints": []})
    figures = {"shares": [*shares[:2], {**shares[2], "complaints": []}]}
    assert [gate.passed for gate in latency.gates(figures)] == passed


def one_round(beside_ms: float, **changes: Any) -> dict[str, Any]:
    """Return a round of the section of slow connections, with a p99 of 10 ms without them."""
    side = {"p50_ms": 1.0, "p99_ms": 10.0, "max_ms": 11.0, "late_p99_ms": 0.1, "complaints": [], "edge_cores": 0.1}
    return {"without": side, "beside": {**side, "p99_ms": beside_ms, "open_min": 2_000, "reopened": 7, **changes}}


@pytest.mark.parametrize(
    ("rounds", "passed"),
    [
        # One bad round of five is an accident; three are not, however good the others.
        ([one_round(ms) for ms in (11.0, 12.0, 20.0, 19.0, 90.0)], [True, True, True]),
        ([one_round(ms) for ms in (10.0, 10.0, 21.0, 22.0, 23.0)], [False, True, True]),
        ([one_round(10.0), one_round(10.0, complaints=["1 timeouts"])], [True, False, True]),
        ([one_round(10.0), one_round(10.0, open_min=1_799)], [True, True, False]),
    ],
)
def test_slow_connections_are_judged_by_the_median_of_all_rounds(
    rounds: list[dict[str, Any]], passed: list[bool]
) -> None:
    """The median p99 beside them is at most twice that without; nothing fails; and they have to be there."""
    figures = {"connections": 2_000, "rate": 300.0, "rounds": rounds, "ratio": slow_connections.ratio(rounds)}
    assert [gate.passed for gate in slow_connections.gates(figures)] == passed
    assert slow_connections.tables(figures)[0].row_count == 2 * len(rounds)  # type: ignore[union-attr]
    assert slow_connections.samples(figures)["without: p99"].median == 10.0
