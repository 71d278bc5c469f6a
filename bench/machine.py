"""Says on what the figures were measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_PACKAGES = ("aiohttp", "beanie", "fastapi", "grpcio", "motor", "pymongo", "uvicorn", "uvloop")


def describe() -> dict[str, Any]:
    """Return the processor, cores, memory, kernel, interpreter, package versions, commit and time."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30), 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def line(described: dict[str, Any]) -> str:
    """Return the machine in one line."""
    return (
        f"{described['cores']} × {described['processor']}, {described['memory_gib']:g} GiB,"
        f" Linux {described['kernel']}, Python {described['python']}, commit {described['commit']}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
