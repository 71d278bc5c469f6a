"""Every line of docs/ledger-api.md and of the client's README, run against a real ledger."""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2

from tests.documented import as_documented, examples_of, run_python, run_shell
from tests.mesh_processes import RunningMesh

ROOT = Path(__file__).resolve().parents[2]
API = ROOT / "docs/ledger-api.md"
README = ROOT / "clients/python/README.md"
WRITTEN_ADDRESS = "127.0.0.1:50052"
# Where pip puts grpcurl.
SCRIPTS = Path(sys.executable).parent


@pytest.fixture
def address(mongo_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a ledger in a process of its own, on an empty database."""
    mesh = RunningMesh(
        mongo_url,
        tmp_path,
        {
            "LEDGER_ANALYSIS_POLICY": "risky",
            "LEDGER_BODY_KEYS": f"k1:{base64.b64encode(b'k' * 32).decode()}",
        },
    )
    mesh.launch("ledger")
    try:
        mesh.await_healthy("ledger")
        yield mesh.addresses["ledger"]
    finally:
        mesh.terminate_all()


def run(document: Path, address: str, directory: Path) -> None:
    """Run a document from top to bottom, as a reader would, and compare what is printed."""
    names: dict[str, Any] = {"__name__": "document"}
    replaced = {WRITTEN_ADDRESS: address}
    for example in examples_of(document):
        if example.language == "python":
            printed = run_python(example, names, replaced)
        else:
            printed = run_shell(example, directory, replaced, f"{SCRIPTS}:/usr/bin:/bin")
        where = f"{document.name}:{example.line}"
        assert as_documented(example, printed), f"{where} prints\n{printed}\nand not\n{example.prints}"


def test_every_line_of_the_api_s_page_prints_what_it_says(address: str, tmp_path: Path) -> None:
    """A reader who copies a line gets what the page shows, from grpcurl and from the client."""
    if shutil.which("grpcurl", path=str(SCRIPTS)) is None:
        pytest.skip("grpcurl is not installed; its package is for Linux on x86-64")
    run(API, address, tmp_path)


def test_every_line_of_the_client_s_readme_prints_what_it_says(address: str, tmp_path: Path) -> None:
    """So does a reader of the README."""
    run(README, address, tmp_path)


def test_the_page_has_every_method() -> None:
    """A method that is built has its heading, and under it a line for the shell."""
    headings = {line.removeprefix("## ") for line in API.read_text().splitlines() if line.startswith("## ")}
    methods = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].methods_by_name
    assert set(methods) == headings - {"Files"}
    called = "\n".join(example.code for example in examples_of(API) if example.language == "sh")
    assert [method for method in methods if f"LedgerService/{method}\n" not in called + "\n"] == []
