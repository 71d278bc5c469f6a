"""Drives the holder of slow connections, and reads what it says."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import launching
from bench.slow_sender import HELD, OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator

_END_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How slow connections were held: the fewest that were open, and how often one was opened again."""

    open_min: int
    reopened: int


class Holder:
    """A process that holds slow connections."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def end(self) -> Held:
        """Let all connections go; return how they were held.

        Raises:
            LaunchError: The process failed.
        """
        output, errors = self._process.communicate(timeout=_END_S)
        line = next((line for line in output.splitlines() if line.startswith(HELD)), None)
        if line is None:
            raise launching.LaunchError(f"slow connections were not held: {errors.strip()[-500:]}")
        return Held(**json.loads(line.removeprefix(HELD)))


@contextlib.contextmanager
def holding(port: int, path: str, count: int) -> Iterator[Holder]:
    """Hold `count` slow connections from a process of its own; all are open when the context begins.

    Raises:
        LaunchError: They could not be opened.
    """
    command = launching.python("-m", "bench.slow_sender", launching.HOST, str(port), path, str(count))
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=launching.environment({}),
    )
    try:
        said = process.stdout.readline() if process.stdout is not None else ""
        if said.strip() != OPEN:
            _, errors = process.communicate(timeout=_END_S)
            raise launching.LaunchError(f"slow connections could not be opened: {errors.strip()[-500:]}")
        yield Holder(process)
    finally:
        process.kill()
        process.wait()
