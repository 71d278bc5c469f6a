"""Child processes: each in a session of its own, on a leash, with its output in a log file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

_LEASH: Final = Path(__file__).with_name("leash.py")
_LOG_BYTES_MAX: Final = 16 * 1024 * 1024
_POLL_S: Final = 0.01


class Child:
    """A process that can be started again and again.

    It stops (SIGTERM) when the thread that started it ends: start it in one that lives as long as it should,
    the main thread. In a session of its own, Ctrl-C in the terminal doesn't reach it before its turn.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Prepare to run `command` with `environment` (ours when None), its output appended to `log`."""
        self.name = name
        self.log = log
        self._command = tuple(command)
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, or start it again after it ended."""
        command = (sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *self._command)
        with _open_log(self.log) as log:
            self._process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether it runs, stopped (SIGSTOP) or not."""
        return self._process is not None and self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """The code it ended with, negative for a signal; None while it runs or before it was started."""
        if self._process is None or self._process.returncode is not None:
            return None if self._process is None else self._process.returncode
        return _exit_code_unreaped(self._process)

    @property
    def pid(self) -> int:
        """Its process id; 0 before it was started."""
        return self._process.pid if self._process is not None else 0

    @property
    def pids(self) -> Sequence[int]:
        """Its process id and those of every descendant in its session, itself first."""
        if not self.alive:
            return ()
        return (self.pid, *(pid for pid in session_members(self.pid) if pid != self.pid))

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to the process alone; nothing happens if it has ended."""
        if self.alive:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """End the process and its descendants at once."""
        if self._process is None or self._process.returncode is not None:
            return
        # Until it is reaped, which is last, its number names its session and nobody else's.
        while members := session_members(self.pid):
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_S)
        self._process.kill()
        self._process.wait()

    def stop(self, *, grace_s: float) -> bool:
        """Ask it to end, kill what is left after `grace_s`, and return whether it ended by itself."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        clean = self.wait(timeout_s=grace_s)
        self.kill()
        return clean

    def wait(self, *, timeout_s: float) -> bool:
        """Wait for its end and return whether it came in time."""
        deadline = time.monotonic() + timeout_s
        while self.alive:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def last_words(self) -> str:
        """Return the last line of its log, "" where there is none."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _exit_code_unreaped(process: subprocess.Popen[bytes]) -> int | None:
    """Return how a child ended without reaping it, so that its process id stays its own; None while it runs."""
    if not hasattr(os, "waitid"):
        return process.poll()
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def session_members(session: int) -> Sequence[int]:
    """Return the ids of the living processes of a session, in ascending order (Linux; elsewhere none)."""
    members = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # "pid (any name) state parent group session …": the name may hold spaces and brackets.
            state, _parent, _group, its_session, *_ = entry.read_text(errors="replace").rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if int(its_session) == session and state != "Z":
            members.append(int(entry.parent.name))
    return sorted(members)


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > _LOG_BYTES_MAX:
        path.replace(path.with_name(f"{path.name}.old"))
    return path.open("ab")
