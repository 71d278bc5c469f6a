"""Prints the part of requirements.lock that one process runs on: what its extras declare, and what those need.

python deploy/images/locked.py edge
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_ENTRY: Final = re.compile(r"\n(?=[A-Za-z0-9])")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# uv writes below each pin who asked for it.
_ASKED_BY: Final = re.compile(r"^ +# +(?:via )?([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)


def extras_of(process: str) -> tuple[str, ...]:
    """Return the extras that a process's image has: its own, and insight's also what draws PDF."""
    return (process, "pdf") if process == "insight" else (process,)


def select(lock: str, project: Mapping[str, Any], process: str) -> list[str]:
    """Return the lock's entries for a process of the project, as they stand, with their hashes and markers.

    Raises:
        KeyError: there is no such process.
        ValueError: its extras declare something that is not locked.
    """
    declared = [line for extra in extras_of(process) for line in project["optional-dependencies"][extra]]
    # A package that is locked at one version for an older Python and at another for a newer one has two entries.
    entries: dict[str, list[str]] = {}
    for entry in _ENTRY.split(lock.strip()):
        entries.setdefault(_canonical(entry), []).append(entry)
    wanted = {_canonical(line) for line in (*project["dependencies"], *declared)}
    if missing := wanted - set(entries):
        raise ValueError(f"not in the lock: {', '.join(sorted(missing))}")
    asked_by = {name: set(map(_canonical, _ASKED_BY.findall("\n".join(each)))) for name, each in entries.items()}
    # Whatever somebody wanted asked for is wanted, until nothing more is.
    while more := {name for name, askers in asked_by.items() if askers & wanted} - wanted:
        wanted |= more
    return [entry for name in sorted(wanted) for entry in entries[name]]


def _canonical(text: str) -> str:
    found = _NAME.match(text)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def main(arguments: Iterable[str]) -> None:
    """Print the entries for the process that is the only argument."""
    (process,) = arguments
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.write(
        "\n".join(select((_ROOT / "requirements.lock").read_text(encoding="utf-8"), project, process)) + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
