"""Prints the part of requirements.lock that one process runs on: what its extra declares, and what that needs.

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


def select(lock: str, project: Mapping[str, Any], extra: str) -> list[str]:
    """Return the lock's entries for an extra of the project, as they stand, with their hashes and markers.

    Raises:
        KeyError: there is no such extra.
        ValueError: the extra declares something that is not locked.
    """
    # A package that is locked at one version for an older Python and at another for a newer one has two entries.
    entries: dict[str, list[str]] = {}
    for entry in _ENTRY.split(lock.strip()):
        entries.setdefault(_canonical(entry), []).append(entry)
    wanted = {_canonical(line) for line in (*project["dependencies"], *project["optional-dependencies"][extra])}
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
    """Print the entries for the extra that is the only argument."""
    (extra,) = arguments
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.write(
        "\n".join(select((_ROOT / "requirements.lock").read_text(encoding="utf-8"), project, extra)) + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
