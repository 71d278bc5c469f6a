"""docs/capacity.md says what its figures say."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from bench import capacity, reserving

# What may come on top of the memory of a busy process: full queues (EDGE_QUEUE_BYTES_MAX and EDGE_UNVERIFIED_BYTES_MAX;
# the ledger's own); what insight holds besides is reserved for it.
GROWS_MIB = {"edge": 64 + 32, "ingest": 0, "ledger": 64, "insight": 0}


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
    cell = {"cpu_us": dict.fromkeys((*reserving.PROCESSES, "mongod"), 300.0), "rss_mib": {}}
    lines = capacity._cores({"cell": cell}).splitlines()[2:]
    assert [line.split("|")[2].strip() for line in lines] == ["0.5 (2)", "5.0 (5)", "50.0 (50)"]


@pytest.mark.parametrize("process", reserving.PROCESSES)
def test_manifests_reserve_what_was_measured(process: str) -> None:
    """The requests are those that the kept figures give, and the limit holds that and every bounded queue, full."""
    cell = json.loads(capacity.FIGURES.read_text())["cell"]
    assert reserving.written(process) == reserving.needed(cell, process)
    limit = re.search(r"limits: \{memory: (\d+)Mi\}", (reserving.BASE / f"{process}.yaml").read_text())
    assert limit is not None
    assert int(limit[1]) >= reserving.written(process).memory_mib + GROWS_MIB[process]


def test_requests_are_round_and_have_room() -> None:
    """140 µs are 140m at 1,000/s and 250m at 60 %, 100 MiB are 125 and so 128."""
    cell = {"cpu_us": {"edge": 140.0}, "rss_mib": {"edge": 100.0}}
    assert reserving.needed(cell, "edge") == reserving.Reserved(cpu_m=250, memory_mib=128)


def test_a_run_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command writes the figures, the tables and the requests, and keeps the size measured before."""
    for path in (capacity.FIGURES, capacity.DOCUMENT):
        shutil.copy(path, tmp_path)
    shutil.copytree(reserving.BASE, tmp_path / "base")
    monkeypatch.setattr(capacity, "FIGURES", tmp_path / "capacity.json")
    monkeypatch.setattr(capacity, "DOCUMENT", tmp_path / "capacity.md")
    monkeypatch.setattr(reserving, "BASE", tmp_path / "base")
    kept = json.loads((tmp_path / "capacity.json").read_text())
    costs = {"cpu_us": {**kept["cell"]["cpu_us"], "edge": 290.0}, "requests_per_s": 4_321.0}
    cell = {"server": "mesh", **kept["cell"], **costs}
    results = {"machine": kept["machine"], "sections": {"throughput": {"cells": [cell]}}}
    (tmp_path / "latest.json").write_text(json.dumps(results))
    capacity.main([str(tmp_path / "latest.json")])
    assert json.loads((tmp_path / "capacity.json").read_text())["payment"] == kept["payment"]
    assert "4,321 webhooks/s" in (tmp_path / "capacity.md").read_text()
    assert reserving.written("edge").cpu_m == 500


def test_the_autoscaler_adds_where_the_table_says() -> None:
    """The share of the request is the component's."""
    for process in reserving.PROCESSES:
        path = reserving.BASE.parent / f"components/autoscaling/{process}.yaml"
        assert f"averageUtilization: {reserving.SCALES_AT:.0%}".rstrip("%") + "}" in path.read_text()


def test_the_busiest_cell_of_the_mesh_is_taken() -> None:
    """Other servers of the run, and the mesh at few connections, don't count."""
    cell = {"rounds": 3, "requests_per_s": 1.0, "cpu_us": {}, "rss_mib": {}, "others_cores": 0.0}
    cells = [{**cell, "server": name, "concurrency": at} for name, at in (("bare", 512), ("mesh", 64), ("mesh", 512))]
    machine = dict.fromkeys(("processor", "cores", "kernel", "python", "commit"), "x")
    found = capacity.figures_of({"machine": machine, "sections": {"throughput": {"cells": cells}}})
    assert found["cell"]["concurrency"] == 512
