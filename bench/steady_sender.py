"""Sends pre-signed requests at a constant rate; a latency counts from when a request was meant to leave.

Run as `python -m bench.steady_sender FILE HOST PORT RATE DURATION CONNECTIONS LEAD`. Requests leave on a schedule that
answers don't move: where the server stalls, those meant to leave meanwhile count their wait (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_S = 0.001
_DRAIN_S_MAX = 10.0
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection with at most one request on it."""

    def __init__(self, answered: Callable[[Connection, int], None], lost: Callable[[Connection], None]) -> None:
        self.meant_s = 0.0
        self.busy = False
        self._answered, self._lost = answered, lost
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that this connection sends no more."""
        del exc
        self._transport = None
        self._lost(self)

    def send(self, raw: bytes, meant_s: float) -> None:
        """Write one request."""
        self.meant_s, self.busy = meant_s, True
        if self._transport is not None:
            self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        """Take an answer in, which nearly always comes in one piece."""
        data = self._buffer + data if self._buffer else data
        if (size := answer_size(data)) is None or len(data) < size:
            self._buffer = data
            return
        self._buffer = b""
        self.busy = False
        self._answered(self, int(data[9:12]))

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()


def answer_size(data: bytes) -> int | None:
    """Return how long an answer is, head and body; None while the head is not complete."""
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    head = data[:end].lower()
    start = head.find(_LENGTH)
    length = int(head[start + len(_LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0
    return end + len(_HEAD_END) + length


class Schedule:
    """Lets request number n leave at n / rate, on the first free connection; waits for one where none is free."""

    def __init__(self, records: BinaryIO, *, rate: float, duration_s: float, lead_s: float) -> None:
        """Plan `rate` requests/s for `duration_s`, of which latencies are kept after `lead_s`."""
        self._records, self._rate, self._lead_s = records, rate, lead_s
        self.total = int(rate * duration_s)
        self.issued = self.lost = self.queued = 0
        self.ran_out = False
        self.statuses: Counter[int] = Counter()
        self.latencies_s, self.late_s = array("d"), array("d")
        self._free: deque[Connection] = deque()
        self._start_s = 0.0

    def begin(self, connections: list[Connection]) -> None:
        """Start the clock."""
        self._free.extend(connections)
        self._start_s = time.perf_counter()

    @property
    def done(self) -> bool:
        """Whether everything left and was answered, or can't be."""
        answered = self.statuses.total() + self.lost
        return (self.ran_out or self.issued >= self.total) and answered >= self.issued

    def release(self) -> None:
        """Send what is due, as far as connections are free."""
        elapsed_s = time.perf_counter() - self._start_s
        due = min(self.total, int(elapsed_s * self._rate) + 1)
        while self.issued < due and self._free and not self.ran_out:
            self._send(self._free.popleft())
        self.queued = max(self.queued, due - self.issued)

    def answered(self, connection: Connection, status: int) -> None:
        """Count an answer; a request that waits takes the connection at once."""
        self.statuses[status] += 1
        if connection.meant_s - self._start_s >= self._lead_s:
            self.latencies_s.append(time.perf_counter() - connection.meant_s)
        self._free.append(connection)
        if self._meant_s(self.issued) <= time.perf_counter():
            self.release()

    def dropped(self, connection: Connection) -> None:
        """Count a connection that the server closed."""
        self.lost += connection.busy
        if not connection.busy:
            self._free = deque(other for other in self._free if other is not connection)

    def _meant_s(self, number: int) -> float:
        return self._start_s + number / self._rate

    def _send(self, connection: Connection) -> None:
        size = self._records.read(6)
        if not size:
            self.ran_out = True
            return
        meant_s = self._meant_s(self.issued)
        self.issued += 1
        self.late_s.append(time.perf_counter() - meant_s)
        connection.send(self._records.read(int(size)), meant_s)


async def send(
    file: Path, host: str, port: int, *, rate: float, duration_s: float, connections: int, lead_s: float
) -> dict[str, object]:
    """Send a file of requests and return what was seen, in the form `bench.steady` reads."""
    loop = asyncio.get_running_loop()
    with file.open("rb", buffering=1 << 20) as records:
        schedule = Schedule(records, rate=rate, duration_s=duration_s, lead_s=lead_s)
        opened: list[Connection] = []
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: Connection(schedule.answered, schedule.dropped), host, port
            )
            opened.append(connection)
        schedule.begin(opened)
        deadline = time.perf_counter() + duration_s + _DRAIN_S_MAX
        while not schedule.done and time.perf_counter() < deadline:
            schedule.release()
            await asyncio.sleep(_TICK_S)
        result = summary(schedule, duration_s)
        for connection in opened:
            connection.close()
    return result


def summary(schedule: Schedule, duration_s: float) -> dict[str, object]:
    """Boil a run down; a request without an answer counts as a timeout and has no latency."""
    latencies, late = sorted(schedule.latencies_s), sorted(schedule.late_s)
    statuses = schedule.statuses
    return {
        "requests": statuses.total(),
        "duration_us": int(duration_s * 1e6),
        "failed": sum(count for status, count in statuses.items() if status >= 400),
        "socket_errors": schedule.lost,
        "timeouts": schedule.issued - statuses.total() - schedule.lost + _never_left(schedule),
        **{f"{name}_us": int(percentile(latencies, share) * 1e6) for name, share in _SHARES.items()},
        "issued": schedule.issued,
        "lanes_run_out": int(schedule.ran_out),
        "kept": len(latencies),
        "late_p99_us": int(percentile(late, 0.99) * 1e6),
        "queued_max": schedule.queued,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
    }


_SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}


def _never_left(schedule: Schedule) -> int:
    return 0 if schedule.ran_out else schedule.total - schedule.issued


def percentile(ordered: list[float], share: float) -> float:
    """Return the smallest value that this share of all does not exceed; 0 of none, which `kept` tells."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def main(arguments: list[str]) -> None:
    """Send as the command line says and print one JSON line."""
    file, host, port, rate, duration_s, connections, lead_s = arguments
    result = uvloop.run(
        send(
            Path(file),
            host,
            int(port),
            rate=float(rate),
            duration_s=float(duration_s),
            connections=int(connections),
            lead_s=float(lead_s),
        )
    )
    print(f"REPLAY {json.dumps(result)}")


if __name__ == "__main__":
    main(sys.argv[1:])
