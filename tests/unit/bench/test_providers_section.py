"""The providers' section: what it measures, and what it holds the native verification to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autopay_cli.recipes import samples
from bench.plan import Plan
from bench.sections import providers


def test_every_vectors_file_is_measured(tmp_path: Path) -> None:
    """Each is signed, verified and mapped; most bodies have exactly 1 KiB."""
    plan = Plan(duration_s=1, warmup_s=1, concurrencies=(), rounds=1, servers=(), scratch=tmp_path)
    said: list[str] = []
    figures = providers.measure(plan, said.append)
    assert sorted(figures["providers"]) == sorted(samples.names())
    assert len(said) == len(samples.names())
    for each in figures["providers"].values():
        assert each["body_bytes"] >= 1_024
        assert 0 < each["verify_us"] < 100_000
        assert 0 < each["map_us"] < 100_000
    assert len(providers.tables(figures)) == 1
    assert providers.draw(figures, tmp_path) == []


def test_a_body_is_brought_to_its_size() -> None:
    """Padding is counted in bytes; a larger body is left as it is."""
    assert len(providers.padded('{"note":"grüße"}'.encode())) == 1_024
    large = json.dumps({"note": "x" * 2_000}).encode()
    assert providers.padded(large) == large


@pytest.mark.parametrize(("verify_us", "passed"), [(15.0, True), (15.1, False), (float("nan"), False)])
def test_the_native_verification_has_a_gate(verify_us: float, passed: bool) -> None:
    """Fifteen microseconds at 1 KiB."""
    figures = {"providers": {"autopay": {"body_bytes": 1_024, "verify_us": verify_us, "map_us": 1.0}}}
    (gate,) = providers.gates(figures)
    assert gate.passed is passed
