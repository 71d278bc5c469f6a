"""The soak: what it samples, and what it calls growth."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import asdict

import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from autopay_cli import mongod_tuning
from bench import growth, watching
from bench.processes import ProcessLostError
from bench.watching import Moment
from mesh.metrics import measure_tasks

CACHE_AND_A_GIB_MIB = 1_024 * (mongod_tuning.cache_gib() + 1)


def moments(
    rss_mib: tuple[float, float],
    files: tuple[int, int] = (20, 20),
    tasks: tuple[int, int] = (9, 9),
    mongod_mib: float = 100.0,
) -> list[Moment]:
    """Return 100 samples, of which the second half holds the second value of each."""
    return [
        Moment(
            at_s=float(second),
            rss_mib={"edge": rss_mib[second >= 50], "mongod": mongod_mib + second},
            files={"edge": files[second >= 50], "mongod": 50},
            tasks={"edge": tasks[second >= 50]},
        )
        for second in range(100)
    ]


@pytest.mark.parametrize(
    ("seen", "broken"),
    [
        (moments((100.0, 102.9)), []),
        (moments((100.0, 103.1)), ["edge: RSS growth"]),
        (moments((100.0, 90.0), files=(20, 29)), ["edge: files more"]),
        (moments((100.0, 100.0), tasks=(9, 10)), ["edge: tasks more"]),
        (moments((100.0, 100.0), mongod_mib=CACHE_AND_A_GIB_MIB - 150.0), []),
        (moments((100.0, 100.0), mongod_mib=CACHE_AND_A_GIB_MIB - 50.0), ["mongod: RSS"]),
    ],
)
def test_growth_beyond_its_limit_breaks_its_own_gate(seen: list[Moment], broken: list[str]) -> None:
    """Memory may grow by 3 %, files by mongod's own, tasks not at all; mongod's memory is its cache and a GiB."""
    grown = [asdict(one) for one in growth.growths(seen, [seen[0], seen[-1]], after_s=10)]
    assert [gate.name for gate in growth.gates(grown, 0) if not gate.passed] == broken


def test_what_went_wrong_while_sending_breaks_a_gate() -> None:
    """A soak whose webhooks were refused says nothing about growth."""
    assert [gate.passed for gate in growth.gates([], 1)] == [False]


def test_what_is_held_for_a_moment_is_no_growth() -> None:
    """Of several looks at an idle mesh the least counts, process by process."""
    looks = moments((100.0, 90.0), files=(21, 20), tasks=(9, 11))
    held = watching.least(looks)
    assert (held.rss_mib["edge"], held.files["edge"], held.tasks["edge"]) == (90.0, 20, 9)


def test_growth_counts_after_five_minutes_or_a_third() -> None:
    """What happens while the mesh warms up is none."""
    assert growth.settled_after_s(1_800) == 300
    assert growth.settled_after_s(180) == 60
    with pytest.raises(ValueError, match="too few"):
        growth.growths(moments((1.0, 1.0)), [], after_s=95)


async def test_tasks_of_the_loop_are_told_to_another_thread() -> None:
    """A scrape counts the tasks that run, and one that never ends shows."""
    registry = CollectorRegistry()
    measure_tasks(registry)

    async def scraped() -> int:
        return watching.tasks_of((await asyncio.to_thread(generate_latest, registry)).decode())

    before = await scraped()
    stuck = asyncio.create_task(asyncio.sleep(60))
    assert await scraped() == before + 1
    stuck.cancel()


async def test_a_process_is_looked_at_whole() -> None:
    """Memory and files come from the system, tasks from its metrics; one that does not tell them is an error."""
    registry = CollectorRegistry()
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        groups, scrapes = {"us": (os.getpid(),)}, {"us": f"127.0.0.1:{server.server_port}"}
        with pytest.raises(ProcessLostError, match="asyncio_tasks"):
            await asyncio.to_thread(watching.look, groups, scrapes, at_s=0.0)
        measure_tasks(registry)
        before = await asyncio.to_thread(watching.look, groups, scrapes, at_s=0.0)
        with socket.socket():
            after = await asyncio.to_thread(watching.look, groups, scrapes, at_s=1.0)
        assert after.files["us"] >= before.files["us"]
        assert after.rss_mib["us"] > 1
        assert after.tasks["us"] >= 1
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
