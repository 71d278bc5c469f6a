"""The constant-rate sender: it keeps its schedule whatever the server does, and a wait counts."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bench import steady, steady_sender, traffic, wrk

RATE, DURATION_S = 200.0, 1.0


async def served(
    tmp_path: Path, *, stall_s: float = 0.0, status: int = 200, count: int = 200
) -> tuple[dict[str, Any], Counter[bytes]]:
    """Send `count` requests to a server that stalls once, for all, a third into the run; return what each saw."""
    seen: Counter[bytes] = Counter()
    gate = asyncio.Event()
    gate.set()

    async def receive(request: web.Request) -> web.Response:
        seen[await request.read()] += 1
        await gate.wait()
        return web.Response(text="ok", status=status)

    async def stall() -> None:
        await asyncio.sleep(DURATION_S / 3)
        gate.clear()
        await asyncio.sleep(stall_s)
        gate.set()

    application = web.Application()
    application.router.add_post("/hook", receive)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    file = tmp_path / "requests.bin"
    bodies = (b"%d" % number for number in range(count))
    traffic.write(
        (traffic.request(body, secret=b"s", timestamp_s=1, host=f"127.0.0.1:{port}", path="/hook") for body in bodies),
        file,
    )
    stalling = asyncio.create_task(stall()) if stall_s else None
    sent = steady_sender.send(file, "127.0.0.1", port, rate=RATE, duration_s=DURATION_S, connections=4, lead_s=0.0)
    result = await sent
    if stalling:
        await stalling
    await runner.cleanup()
    return result, seen


def read(result: dict[str, Any]) -> tuple[wrk.Reading, steady.Pace]:
    """Read a result as the parent does."""
    return steady.parse(f"REPLAY {json.dumps(result)}\n")


async def test_each_request_leaves_once_and_is_answered(tmp_path: Path) -> None:
    """At 200 a second for a second, 200 different requests arrive, and nothing is complained of."""
    result, seen = await served(tmp_path)
    reading, pace = read(result)
    assert len(seen) == seen.total() == reading.issued == reading.accepted == 200
    assert reading.requests_per_s == pytest.approx(RATE)
    assert reading.complaints() == []
    assert pace.statuses == {"200": 200}


async def test_a_stall_counts_for_what_should_have_left_meanwhile(tmp_path: Path) -> None:
    """Four connections hang for 0.4 s: not four requests are late, but all those meant to leave in that time."""
    reading, pace = read((await served(tmp_path, stall_s=0.4))[0])
    assert reading.issued == reading.accepted == 200
    assert reading.max_ms >= 390
    assert pace.queued_max >= 60
    # 80 of 200 were meant to leave during the stall; a closed loop would have had 4 slow ones, and p90 near zero.
    assert reading.p99_ms >= 300


async def test_refusals_and_a_short_file_are_complained_of(tmp_path: Path) -> None:
    """Answers of 400 and above are counted by status, and running out of requests is said."""
    reading, pace = read((await served(tmp_path, status=503, count=50))[0])
    assert pace.statuses == {"503": 50}
    assert reading.complaints() == ["50 answers of 400 or above", "the pre-signed requests RAN OUT before the end"]


async def test_a_run_without_an_answer_is_an_error(tmp_path: Path) -> None:
    """Where no latency counts there is no percentile to hold against a limit."""
    result, _ = await served(tmp_path, count=0)
    with pytest.raises(wrk.WrkError, match="no request was answered"):
        read(result)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", 43),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 38),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 27),
        (b"HTTP/1.1 200 OK\r\nContent-Len", None),
    ],
)
def test_an_answer_ends_where_its_length_says(data: bytes, size: int | None) -> None:
    """Head and body make the size; it is unknown while the head is not complete."""
    assert steady_sender.answer_size(data) == size


@pytest.mark.parametrize(("share", "value"), [(0.5, 50.0), (0.99, 99.0), (0.999, 100.0), (1.0, 100.0)])
def test_a_percentile_is_a_value_that_was_seen(share: float, value: float) -> None:
    """Of the numbers from 1 to 100, the 50th percentile is 50."""
    assert steady_sender.percentile([float(number) for number in range(1, 101)], share) == value
