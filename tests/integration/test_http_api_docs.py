"""Every line of docs/http-api.md, run against a real mesh."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.documented import as_documented, examples_of, run_shell
from tests.servers import running_up, why_no_mongod

PAGE = Path(__file__).resolve().parents[2] / "docs/http-api.md"
SCRIPTS = Path(sys.executable).parent


@pytest.mark.skipif(bool(why_no_mongod()) or shutil.which("curl") is None, reason=why_no_mongod() or "curl is missing")
def test_every_line_of_the_page_prints_what_it_says(tmp_path: Path) -> None:
    """A reader who started `autopay up` and copies a line gets what the page shows."""
    with running_up(tmp_path / ".autopay", EDGE_LIMIT_READS="off") as up:
        replaced = {
            "http://127.0.0.1:8080": up.mesh.edge,
            "$KEY": up.mesh.api_key,
            "$MONITORING": up.mesh.monitoring_key,
        }
        for example in examples_of(PAGE):
            printed = run_shell(example, tmp_path, replaced, f"{SCRIPTS}:/usr/bin:/bin")
            where = f"{PAGE.name}:{example.line}"
            assert as_documented(example, printed), f"{where} prints\n{printed}\nand not\n{example.prints}"
