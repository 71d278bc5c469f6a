"""The queries of the alert rules and of the dashboards, and which metrics they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).resolve().parents[1] / "deploy/observability"
# Told by others: the kubelet of a cluster.
FOREIGN: Final = frozenset({"kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"})
_NOT_NAMES: Final = re.compile(
    r"""
    "[^"]*" | '[^']*'                                # strings
    | \{[^}]*\} | \[[^]]*\]                          # matchers, ranges
    | \b(?:by|without|on|ignoring)\s*\([^)]*\)       # labels
    | \b(?:and|or|unless|bool)\b                     # operators
    | \b[a-z_0-9]+\s*(?=\()                          # functions
    """,
    re.VERBOSE,
)
_NAME: Final = re.compile(r"(?<![\w.:])[a-zA-Z_][\w]*(?![\w:])")


def groups() -> Sequence[Mapping[str, Any]]:
    """Return the groups of rules."""
    found: Sequence[Mapping[str, Any]] = yaml.safe_load((HERE / "rules.yaml").read_text())["groups"]
    return found


def alerts() -> Sequence[Mapping[str, Any]]:
    """Return the rules that alert."""
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


def rules() -> list[str]:
    """Return every rule's query."""
    return [rule["expr"] for group in groups() for rule in group["rules"]]


def panels() -> list[str]:
    """Return every panel's queries."""
    boards = [json.loads(path.read_text()) for path in sorted(HERE.glob("dashboards/*.json"))]
    return [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]


def metrics_of(queries: Iterable[str]) -> set[str]:
    """Return the metrics that the queries name; what a rule records is none."""
    # Twice: an aggregation is a function only after its labels are gone.
    bare = (_NOT_NAMES.sub(" ", _NOT_NAMES.sub(" ", query)) for query in queries)
    return {name for query in bare for name in _NAME.findall(query)}
