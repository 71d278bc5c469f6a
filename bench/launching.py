"""Starts the servers under test as child processes and ends them again, by their ids."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

import bench

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOST = "127.0.0.1"
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_STOP_S = 20.0


class LaunchError(RuntimeError):
    """A server under test did not start."""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return a clean environment: nothing of the caller's settings leaks into what is measured."""
    root = Path(bench.__file__).parent.parent
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1", **extra}


def python(*arguments: str) -> list[str]:
    """Return the command line that runs this interpreter."""
    return [sys.executable, *arguments]


@contextlib.contextmanager
def child(
    command: Sequence[str], *, log: Path, extra: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside us, its output in `log`; on the way out it and its descendants end."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=environment(extra or {}),
            start_new_session=True,  # Ctrl-C reaches only us, and we stop the servers in order
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, then end it and whatever it left behind."""
    descendants: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        descendants = psutil.Process(process.pid).children(recursive=True)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()


def wait_for_port(port: int, process: subprocess.Popen[bytes], *, log: Path, limit_s: float = 30.0) -> None:
    """Wait until something listens on a local port.

    Raises:
        LaunchError: The process ended, or nothing listened in time.
    """
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise LaunchError(failure(process, log))


def failure(process: subprocess.Popen[bytes], log: Path) -> str:
    """Describe a failed start by the last thing the process said."""
    said = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
    state = "did not get ready" if process.poll() is None else f"ended with {process.returncode}"
    return f"{log.stem} {state}: " + " | ".join(said)
