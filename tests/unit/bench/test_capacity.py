"""docs/capacity.md says what its figures say."""

from __future__ import annotations

import json

from bench import capacity


def figures() -> dict[str, object]:
    """The figures that the document rests on."""
    found: dict[str, object] = json.loads(capacity.FIGURES.read_text())
    return found


def test_the_document_has_the_computed_tables() -> None:
    """Nobody typed a number: rendering the kept figures changes nothing."""
    document = capacity.DOCUMENT.read_text()
    assert capacity.placed(document, capacity.render(figures())) == document


def test_ten_times_the_rate_needs_ten_times_the_cores() -> None:
    """1,000 webhooks/s at 300 µs are half a core at 60 %, and two replicas all the same."""
    cell = {"cpu_us": dict.fromkeys((*capacity.PROCESSES, "mongod"), 300.0), "rss_mib": {}}
    lines = capacity._cores({"cell": cell}).splitlines()[2:]
    assert [line.split("|")[2].strip() for line in lines] == ["0.5 (2)", "5.0 (5)", "50.0 (50)"]


def test_the_busiest_cell_of_the_mesh_is_taken() -> None:
    """Other servers of the run, and the mesh at few connections, don't count."""
    cell = {"rounds": 3, "requests_per_s": 1.0, "cpu_us": {}, "rss_mib": {}, "others_cores": 0.0}
    cells = [{**cell, "server": name, "concurrency": at} for name, at in (("bare", 512), ("mesh", 64), ("mesh", 512))]
    machine = dict.fromkeys(("processor", "cores", "kernel", "python", "commit"), "x")
    found = capacity.figures_of({"machine": machine, "sections": {"throughput": {"cells": cells}}})
    assert found["cell"]["concurrency"] == 512
