"""What the client needs to be installed."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted((ROOT / "clients/python/src/autopay_client").glob("*.py"))
GENERATED = sorted((ROOT / "protos/gen/autopay").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]


def imported(path: Path) -> set[str]:
    """The modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_it_declares_grpcio_and_protobuf_only() -> None:
    """A service that calls the ledger gets nothing else into its environment."""
    assert sorted(Requirement(line).name for line in PROJECT["dependencies"]) == ["grpcio", "protobuf"]


def test_it_imports_nothing_else() -> None:
    """Not googleapis-common-protos or grpcio-status either, which the mesh happens to have."""
    for path in [*SOURCES, *GENERATED]:
        for module in imported(path):
            root = module.partition(".")[0]
            ours = root in {"autopay", "autopay_client", "grpc"} or module.startswith("google.protobuf")
            assert ours or root in sys.stdlib_module_names, f"{path.name} imports {module}"
