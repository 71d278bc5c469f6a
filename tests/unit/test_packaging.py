"""The lock holds every declared dependency, hashed, and names no registry."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
# What builds the packages that come as source: installed first, so that pip fetches none of it unhashed.
BUILD_LOCK = (ROOT / "requirements-build.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def declared() -> list[Requirement]:
    """Every requirement of the project, its extras and its build backend, except the project itself."""
    project = PROJECT["project"]
    lines = [*PROJECT["build-system"]["requires"], *project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        lines.extend(extra)
    return [requirement for line in lines if (requirement := Requirement(line)).name != project["name"]]


def locked() -> dict[str, list[str]]:
    """Name → the versions locked for it (one for each Python it differs on)."""
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==([^ ;\\]+)", LOCK, re.MULTILINE):
        pins.setdefault(canonicalize_name(name), []).append(version)
    return pins


def test_every_declared_dependency_is_locked_at_a_version_it_allows() -> None:
    """A dependency added to pyproject.toml without `make lock` fails here, not on somebody's machine."""
    pins = locked()
    for requirement in declared():
        versions = pins.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement.name} is not in requirements.lock: run `make lock`"
        for version in versions:
            assert requirement.specifier.contains(version), f"{requirement} but {version} is locked"


@pytest.mark.parametrize("lock", [LOCK, BUILD_LOCK], ids=["all", "build"])
def test_every_locked_package_has_a_hash(lock: str) -> None:
    """pip verifies each file it downloads against the lock."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("lock", [LOCK, BUILD_LOCK], ids=["all", "build"])
def test_the_lock_names_no_registry(lock: str) -> None:
    """The lock works behind any mirror, so no address may stand in it."""
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", lock)


def test_each_process_has_an_extra_and_all_includes_them() -> None:
    """An image installs what its process runs; one machine installs everything."""
    extras = PROJECT["project"]["optional-dependencies"]
    assert {"edge", "ingest", "ledger", "insight"} <= set(extras)
    assert "autopay-mesh[edge,ingest,ledger,insight]" in extras["all"]


def test_the_wheel_brings_the_vectors_and_no_test(tmp_path: Path) -> None:
    """An installed `autopay conformance` finds its samples; the tests themselves stay in the repository."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    vectors = {f"autopay_cli/vectors/{path.name}" for path in (ROOT / "tests" / "conformance").glob("*.json")}
    assert vectors
    assert {name for name in names if "vectors/" in name} == vectors
    assert [name for name in names if name.startswith("tests/")] == []
    assert {"autopay_client/__init__.py", "autopay/ledger/v1/ledger_pb2.py", "edge/__main__.py"} <= names
