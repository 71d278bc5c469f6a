"""Measures one window: a rate, its latencies, and what it cost each process."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import processes, traffic, wrk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.server import Server

_SETTLE_S_MAX = 20.0
_SPARE = 2.0
_UNSETTLED = "still busy long after the window, so that its CPU is not all counted"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One measured window; CPU and memory are by process name.

    `cpu_us` is CPU per accepted request inside the window; `late_cpu_us` is what the processes then still
    used until they were idle, for work they had put off. `others_cores` is how many cores everything else
    on the machine kept busy: noise, if it is not near zero.
    """

    server: str
    concurrency: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    accepted: int
    issued: int
    cpu_us: Mapping[str, float]
    late_cpu_us: Mapping[str, float]
    rss_mib: Mapping[str, float]
    wrk_cpu_us: float
    others_cores: float
    settled: bool
    complaints: tuple[str, ...]


class Sender:
    """Sends a server fresh payments, none twice, over any number of windows."""

    def __init__(self, server: Server, payments: traffic.Supply, *, scratch: Path, rate: float) -> None:
        """Prepare for `rate` requests/s until a faster rate is seen."""
        self.server = server
        self.rate = rate
        self._payments = payments
        self.file = scratch / "requests.bin"

    def prepare(self, *, concurrency: int, duration_s: float) -> None:
        """Sign what a window may need, now: signatures are good for minutes only."""
        server, timestamp_s = self.server, int(time.time())
        count = int(self.rate * duration_s * _SPARE) + concurrency
        signed = (
            traffic.request(body, secret=server.secret, timestamp_s=timestamp_s, host=server.host, path=server.path)
            for body in self._payments.take(count)
        )
        traffic.write(signed, self.file)

    def send(self, *, concurrency: int, duration_s: float) -> wrk.Reading:
        """Send what was prepared, and remember the rate."""
        url = f"http://{self.server.host}{self.server.path}"
        reading = wrk.replay(self.file, url=url, concurrency=concurrency, duration_s=duration_s)
        self.file.unlink()
        self.rate = max(self.rate, reading.requests_per_s)
        return reading


def measure(sender: Sender, *, concurrency: int, duration_s: float) -> Window:
    """Measure one window.

    Raises:
        ProcessLostError: A process of the server ended meanwhile.
        WrkError: The driver failed.
    """
    sender.prepare(concurrency=concurrency, duration_s=duration_s)
    groups = processes.members(sender.server.processes)
    processes.settle(groups, limit_s=_SETTLE_S_MAX)
    wrk_before_s, busy_before_s, started_s = _children_cpu_s(), processes.busy_s(), time.monotonic()
    before = processes.sample(groups)
    reading = sender.send(concurrency=concurrency, duration_s=duration_s)
    after = processes.sample(groups)
    elapsed_s, busy_s = time.monotonic() - started_s, processes.busy_s() - busy_before_s
    wrk_s, spent_s = _children_cpu_s() - wrk_before_s, processes.spent_s(before, after)
    settled = processes.settle(groups, limit_s=_SETTLE_S_MAX)
    late_s = processes.spent_s(after, processes.sample(groups))
    per_request = 1e6 / max(1, reading.accepted)
    return Window(
        server=sender.server.name,
        concurrency=concurrency,
        requests_per_s=reading.requests_per_s,
        p50_ms=reading.p50_ms,
        p99_ms=reading.p99_ms,
        p999_ms=reading.p999_ms,
        accepted=reading.accepted,
        issued=reading.issued,
        cpu_us={name: cpu_s * per_request for name, cpu_s in spent_s.items()},
        late_cpu_us={name: cpu_s * per_request for name, cpu_s in late_s.items()},
        rss_mib={name: usage.rss_bytes / _MIB for name, usage in after.items()},
        wrk_cpu_us=wrk_s * per_request,
        others_cores=max(0.0, busy_s - wrk_s - sum(spent_s.values())) / elapsed_s,
        settled=settled,
        complaints=(*reading.complaints(), *([] if settled else [_UNSETTLED])),
    )


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
