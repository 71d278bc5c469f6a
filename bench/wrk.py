"""Drives `wrk`, which replays a file of pre-signed requests, and reads its answer."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

MARK = "REPLAY "
_TIMEOUT_S = 10
_GRACE_S = 30


class WrkError(RuntimeError):
    """`wrk` is missing, failed, or said something we can't read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What `wrk` saw in one window; `issued` may exceed `requests` by what was cut off at the end."""

    requests: int
    duration_s: float
    failed: int
    socket_errors: int
    timeouts: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    issued: int
    ran_out: bool

    @property
    def accepted(self) -> int:
        """Requests answered below 400."""
        return self.requests - self.failed

    @property
    def requests_per_s(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.duration_s

    def complaints(self) -> list[str]:
        """Say everything that makes this window unfit to quote."""
        counts = {
            "answers of 400 or above": self.failed,
            "socket errors": self.socket_errors,
            "timeouts": self.timeouts,
        }
        found = [f"{count} {what}" for what, count in counts.items() if count]
        return [*found, "the pre-signed requests RAN OUT before the end"] if self.ran_out else found


def executable() -> str:
    """Find `wrk`.

    Raises:
        WrkError: It is not installed; the message says how to install it.
    """
    found = shutil.which("wrk")
    if found is None:
        message = "wrk is not installed: on Debian or Ubuntu, run `apt-get install wrk`"
        raise WrkError(message)
    return found


def parse(output: str) -> Reading:
    """Read the line that replay.lua prints.

    Raises:
        WrkError: There is no such line.
    """
    line = next((line for line in output.splitlines() if line.startswith(MARK)), None)
    if line is None:
        message = f"wrk printed no result: {output.strip()[-500:]}"
        raise WrkError(message)
    raw = json.loads(line.removeprefix(MARK))
    return Reading(
        requests=raw["requests"],
        duration_s=raw["duration_us"] / 1e6,
        failed=raw["failed"],
        socket_errors=raw["socket_errors"],
        timeouts=raw["timeouts"],
        p50_ms=raw["p50_us"] / 1e3,
        p99_ms=raw["p99_us"] / 1e3,
        p999_ms=raw["p999_us"] / 1e3,
        max_ms=raw["max_us"] / 1e3,
        issued=raw["issued"],
        ran_out=raw["lanes_run_out"] > 0,
    )


def replay(file: Path, *, url: str, concurrency: int, duration_s: float) -> Reading:
    """Replay a file of requests over `concurrency` connections, from one thread.

    Raises:
        WrkError: `wrk` is missing, or failed.
    """
    script = Path(__file__).with_name("replay.lua")
    command = [executable(), "-t1", f"-c{concurrency}", f"-d{max(1, round(duration_s))}s"]
    command += [f"--timeout={_TIMEOUT_S}s", "-s", str(script), url, "--", str(file)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=duration_s + _TIMEOUT_S + _GRACE_S
    )
    if result.returncode != 0:
        message = f"wrk failed ({result.returncode}): {(result.stderr or result.stdout).strip()[-500:]}"
        raise WrkError(message)
    return parse(result.stdout)
