"""Drives the sender that keeps a constant rate, and reads its answer."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import launching, wrk
from bench.window import Sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bench.server import Server
    from bench.traffic import Supply

# As many as saturate the mesh: were there fewer, requests would wait for a connection, outside, and fill no batch.
CONNECTIONS = 1_024
_GRACE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the sender itself kept up: how late requests left, how many waited for a connection, every status.

    `late_p99_ms` includes waiting for a free connection. Where nothing waited, it is the sender's own lateness.
    """

    late_p99_ms: float
    queued_max: int
    statuses: Mapping[str, int]


def parse(output: str) -> tuple[wrk.Reading, Pace]:
    """Read the line that the sender prints.

    Raises:
        WrkError: There is no such line, or no answer whose latency counts.
    """
    reading = wrk.parse(output)
    line = next(line for line in output.splitlines() if line.startswith(wrk.MARK))
    raw = json.loads(line.removeprefix(wrk.MARK))
    if raw["kept"] == 0:
        message = f"no request was answered: {raw['statuses']}, {raw['timeouts']} timeouts"
        raise wrk.WrkError(message)
    pace = Pace(late_p99_ms=raw["late_p99_us"] / 1e3, queued_max=raw["queued_max"], statuses=raw["statuses"])
    return reading, pace


@contextlib.contextmanager
def sending(
    file: Path, server: Server, *, rate: float, duration_s: float, connections: int = CONNECTIONS, lead_s: float = 0.0
) -> Iterator[subprocess.Popen[str]]:
    """Run the sender beside us; what is in `file` is sent once, the rest of the schedule is left out."""
    command = launching.python("-m", "bench.steady_sender", str(file), launching.HOST, str(server.port))
    command += [str(number) for number in (rate, duration_s, connections, lead_s)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=launching.environment({})
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def result_of(process: subprocess.Popen[str], *, duration_s: float) -> tuple[wrk.Reading, Pace]:
    """Wait for the sender's end and return what it saw.

    Raises:
        WrkError: It failed, or did not end.
    """
    try:
        output, errors = process.communicate(timeout=duration_s + _GRACE_S)
    except subprocess.TimeoutExpired as late:
        message = f"the sender did not end within {duration_s + _GRACE_S:g} s"
        raise wrk.WrkError(message) from late
    if process.returncode != 0:
        message = f"the sender failed ({process.returncode}): {errors.strip()[-500:]}"
        raise wrk.WrkError(message)
    return parse(output)


class SteadySender(Sender):
    """Sends fresh payments at a rate that does not depend on the answers."""

    def __init__(self, server: Server, payments: Supply, *, scratch: Path, rate: float, lead_s: float) -> None:
        """Prepare for exactly `rate` requests/s; the first `lead_s` of each window leave no latency."""
        super().__init__(server, payments, scratch=scratch, rate=rate)
        self.paces: list[Pace] = []
        self._lead_s = lead_s

    def send(self, *, concurrency: int, duration_s: float) -> wrk.Reading:
        """Send what was prepared, and remember how the sender kept up."""
        with sending(
            self.file,
            self.server,
            rate=self.rate,
            duration_s=duration_s,
            connections=concurrency,
            lead_s=self._lead_s,
        ) as process:
            reading, pace = result_of(process, duration_s=duration_s)
        self.file.unlink()
        self.paces.append(pace)
        return reading
