"""The report: one file that holds everything and asks nobody."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import drawing, page


def figures(**changes: Any) -> dict[str, Any]:
    """Return what a run wrote down, as far as the page reads it."""
    machine = {"cores": 2, "processor": "<P>", "memory_gib": 8, "kernel": "6", "python": "3.11", "commit": "abc"}
    return {
        "machine": {**machine, "measured_at": "today"},
        "plan": {"duration_s": 6.0, "rounds": 3},
        "gates": ["PASS  one: 1 (≤ 2)", "FAIL  two: 3 (≤ 2)"],
        "failures": {},
        **changes,
    }


def written(tmp_path: Path, **changes: Any) -> str:
    """Write a page of one table and one picture, and return it."""
    table = Table(title="rates & costs", caption="medians")
    table.add_column("server")
    table.add_column("rate")
    table.add_row("<mesh>", "4,000")
    axis = drawing.Axis(across="rate", up="ms", log_across=True, log_up=True)
    picture = drawing.curves([1, 2], {"p50": [1.0, 2.0]}, axis, tmp_path / "curve.png")
    part = page.Part("Throughput", [table, "NOISY: so & so"], [picture])
    return page.write(figures(**changes), [part], None, tmp_path / "latest.html").read_text()


def test_the_page_holds_tables_pictures_and_verdicts_and_refers_to_nothing(tmp_path: Path) -> None:
    """Pictures are inside, text is escaped, and no address of another file or host is in it."""
    text = written(tmp_path)
    assert '<meta name="viewport"' in text
    assert "<caption>rates &amp; costs</caption>" in text
    assert "<td>&lt;mesh&gt;</td><td>4,000</td>" in text
    assert '<li class="fail">FAIL  two' in text
    assert "NOISY: so &amp; so" in text
    assert text.count("data:image/png;base64,") == 1
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []


def test_what_failed_is_on_the_page(tmp_path: Path) -> None:
    """A section that could not be measured is named with its reason."""
    assert "not measured: latency: no &lt;mongod&gt;" in written(tmp_path, failures={"latency": "no <mongod>"})
