"""A newcomer's provider: one file in providers/ and one in tests/conformance/, as docs/patterns.md tells."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.settings import environment_without

ROOT = Path(__file__).resolve().parents[2]
# What registry, suite and routes are made of; everything else is the installed project's.
COPIED = ("autopay_cli", "providers", "tests/conformance", "tests/unit/edge", "tests/fakes")
ADDED = {"acmepay.py": "providers", "acmepay.json": "tests/conformance"}
_FOREIGN = ("EDGE_", "OTEL_", "AUTOPAY_", "HMAC_", "WEBHOOK_", "PYTEST_")
# Started in the copy, so that it finds the copy's providers: what an edge does with a webhook, and ingest after it.
SENDS = """
import asyncio, json, sys
from providers import registry
from services.ingest.mappings import Mappings
from tests.conformance import vectors
from tests.unit.edge.rig import running_edge

async def main():
    file = vectors.load("acmepay")
    request = file.signed(file.first)
    send = dict(data=request.body, headers=dict(request.headers))
    async with running_edge(webhook_secrets={"ACMEPAY": file.secrets.current.value}) as edge:
        known = await edge.send("POST", "/webhooks/acmepay", **send)
        forged = await edge.send("POST", "/webhooks/acmepay", **{**send, "data": request.body + b" "})
        unknown = await edge.send("POST", "/webhooks/acmepal", **send)
    (event,) = Mappings(registry.load()).of("acmepay", "acmepay").map(request.body, {})
    json.dump([known.status, known.body.decode(), forged.status, unknown.status, event.tx_id], sys.stdout)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the newcomer's two files."""
    root = tmp_path_factory.mktemp("newcomer")
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, directory in ADDED.items():
        shutil.copy(ROOT / "tests" / "newcomer" / name, root / directory)
    return root


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        # The suite needs no plugins, and importing them all takes longer than it does.
        env={**environment_without(*_FOREIGN), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_suite_finds_the_newcomer(copy: Path) -> None:
    """The conformance suite puts it through everything, and misses nothing of it."""
    chosen = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-k", "acmepay or every_provider_has"]
    ended = run(copy, "-m", "pytest", "tests/conformance/test_vectors.py", *chosen)
    assert ended.returncode == 0, ended.stdout
    assert len(re.findall(r"\.", ended.stdout.splitlines()[0])) >= 15


def test_the_edge_routes_to_the_newcomer(copy: Path) -> None:
    """Its webhooks have a route, its signatures are checked, its acknowledgement is given, its bodies are mapped."""
    ended = run(copy, "-c", SENDS)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [200, "thanks", 403, 404, "A-1"]
