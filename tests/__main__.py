"""The whole suite: most of it by several workers at once, then, alone, what measures time. `make test` calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

# Most tests wait for processes of their own, so there is work for more workers than there are processors.
_WORKERS_MIN: Final = 3
_WORKERS_MAX: Final = 8
# A file's tests share processes. In the order they are collected in, the long ones come first.
_BY_FILE: Final = ("--dist=loadfile", "--no-loadscope-reorder")
_OK: Final = 0
_INTERRUPTED: Final = 2
_NONE_COLLECTED: Final = 5


def main(arguments: Sequence[str]) -> int:
    """Run both halves with pytest's own arguments and return the worse exit code."""
    workers = max(_WORKERS_MIN, min(os.cpu_count() or 1, _WORKERS_MAX))
    halves = (
        (f"in {workers} workers", ["--timed=without", "-n", str(workers), *_BY_FILE]),
        ("alone: what measures time", ["--timed=only"]),
    )
    codes = []
    for title, options in halves:
        sys.stdout.write(f"tests, {title}\n")
        sys.stdout.flush()
        codes.append(subprocess.run([sys.executable, "-m", "pytest", *options, *arguments], check=False).returncode)
        if codes[-1] == _INTERRUPTED:
            return _INTERRUPTED
    return worse(codes)


def worse(codes: Sequence[int]) -> int:
    """Return the exit code of the whole: a half that had nothing to do is no failure, unless both had."""
    ran = [code for code in codes if code != _NONE_COLLECTED]
    return next((code for code in ran if code != _OK), _OK) if ran else _NONE_COLLECTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
