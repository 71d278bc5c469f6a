"""The driver: what it says is read right, and it sends each request once."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from bench import traffic, wrk

LINE = (
    'REPLAY {"requests":1000,"duration_us":2000000,"failed":10,"socket_errors":2,"timeouts":1,'
    '"p50_us":2500,"p99_us":9100,"p999_us":12000,"max_us":20000,"issued":1064,"lanes_run_out":0}'
)


def test_a_result_is_read_in_milliseconds_and_seconds() -> None:
    """Percentiles come in milliseconds, and the rate counts accepted requests only."""
    reading = wrk.parse(f"Running 2s test @ http://127.0.0.1:1\n{LINE}\nTransfer/sec: 1MB\n")
    assert (reading.p50_ms, reading.p99_ms, reading.p999_ms, reading.max_ms) == (2.5, 9.1, 12.0, 20.0)
    assert reading.accepted == 990
    assert reading.requests_per_s == 495.0
    assert reading.issued == 1064


def test_a_reading_complains_of_all_that_went_wrong() -> None:
    """Refusals, socket errors and timeouts are each named with their number."""
    complaints = wrk.parse(LINE).complaints()
    assert complaints == ["10 answers of 400 or above", "2 socket errors", "1 timeouts"]


def test_output_without_a_result_is_an_error() -> None:
    """What the driver printed instead is in the message."""
    with pytest.raises(wrk.WrkError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1")


def test_a_missing_driver_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the program on the path, one line names the package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(wrk.WrkError, match="apt-get install wrk"):
        wrk.executable()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed (Debian: apt-get install wrk)")
async def test_each_request_is_sent_once_and_running_out_is_said(tmp_path: Path) -> None:
    """Replaying few requests sends none twice, and complains that there were too few."""
    seen: Counter[bytes] = Counter()

    async def receive(request: web.Request) -> web.Response:
        seen[await request.read()] += 1
        return web.Response(text="ok")

    application = web.Application()
    application.router.add_post("/hook", receive)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    file = tmp_path / "requests.bin"
    bodies = [b"%d" % number for number in range(200)]
    signed = (traffic.request(body, secret=b"s", timestamp_s=1, host=host, path="/hook") for body in bodies)
    traffic.write(signed, file)
    reading = await asyncio.to_thread(wrk.replay, file, url=f"http://{host}/hook", concurrency=4, duration_s=1)
    await runner.cleanup()
    assert seen
    assert max(seen.values()) == 1
    assert seen.keys() <= set(bodies)
    assert reading.issued == 200
    assert reading.ran_out
    assert any("RAN OUT" in complaint for complaint in reading.complaints())
