"""Prints what is installed beside this interpreter as a CycloneDX bill of materials, for one process's image.

python deploy/images/bom.py edge
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

_PROJECT: Final = "autopay-mesh"


def bill(process: str, installed: Iterable[importlib.metadata.Distribution]) -> Mapping[str, Any]:
    """Return the bill: the process as the subject, every other distribution as a library in it."""
    components = {_name(each): _component(each) for each in installed}
    subject = components.pop(_PROJECT)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**subject, "type": "application", "name": f"autopay-{process}"}},
        "components": [components[name] for name in sorted(components)],
    }


def _component(distribution: importlib.metadata.Distribution) -> dict[str, Any]:
    name, version = _name(distribution), distribution.version
    component: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "bom-ref": f"pkg:pypi/{name}@{version}",
    }
    # Packages say it in the new field, or in the old one, where some put the whole text.
    licence = distribution.metadata.get("License-Expression") or distribution.metadata.get("License") or ""
    if licence and "\n" not in licence:
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def _name(distribution: importlib.metadata.Distribution) -> str:
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()


def main(arguments: Iterable[str]) -> None:
    """Print the bill of this interpreter's environment for the process that is the only argument."""
    (process,) = arguments
    json.dump(bill(process, importlib.metadata.distributions()), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
