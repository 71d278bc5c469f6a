"""CPU accounting: every process counts once, for the group it belongs to, and none is lost in silence."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench import processes
from bench.processes import Usage

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ntime.sleep(60)"
PARENT = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {BURN!r}])\ntime.sleep(60)"


@pytest.fixture
def parent() -> Iterator[int]:
    """Run a process that sleeps beside its child, which burns 0.3 s of CPU first."""
    process = subprocess.Popen([sys.executable, "-c", PARENT])
    yield process.pid
    for pids in processes.members({"all": (process.pid,)}).values():
        for pid in pids[1:]:
            os.kill(pid, 9)
    process.kill()
    process.wait()


def child_of(pid: int) -> int:
    """Wait for the child of a process."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = processes.members({"all": (pid,)})["all"]
        if len(found) > 1:
            return found[1]
        time.sleep(0.05)
    raise TimeoutError


def test_a_child_counts_for_the_group_of_its_parent_unless_it_is_named(parent: int) -> None:
    """Unnamed children join their parent's group; a child with a group of its own stays there."""
    child = child_of(parent)
    assert processes.members({"all": (parent,)}) == {"all": (parent, child)}
    assert processes.members({"up": (parent,), "edge": (child,)}) == {"up": (parent,), "edge": (child,)}


@pytest.mark.timed
def test_settling_waits_for_work_that_was_put_off(parent: int) -> None:
    """What a child burns after the first sample is in the second, once the group is idle."""
    child_of(parent)
    groups = processes.members({"all": (parent,)})
    before = {"all": Usage(cpu_s=dict.fromkeys(groups["all"], 0.0), rss_bytes=0)}
    assert processes.settle(groups, limit_s=30)
    after = processes.sample(groups)
    assert processes.spent_s(before, after)["all"] >= 0.3
    assert after["all"].rss_bytes > 1_000_000


def test_a_process_that_ended_is_an_error() -> None:
    """A group can't be sampled once a process of it is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(processes.ProcessLostError, match=str(gone.pid)):
        processes.sample({"edge": (gone.pid,)})


def test_a_process_missing_from_the_second_sample_is_an_error() -> None:
    """Its CPU time is unknown, so the difference is refused."""
    before = {"edge": Usage(cpu_s={1: 0.1, 2: 0.1}, rss_bytes=0)}
    after = {"edge": Usage(cpu_s={1: 0.4}, rss_bytes=0)}
    with pytest.raises(processes.ProcessLostError, match="edge"):
        processes.spent_s(before, after)


def test_processes_that_joined_later_do_not_count_before_they_were_seen() -> None:
    """Only processes of the first sample are charged."""
    before = {"edge": Usage(cpu_s={1: 0.1}, rss_bytes=0)}
    after = {"edge": Usage(cpu_s={1: 0.4, 9: 5.0}, rss_bytes=0)}
    assert processes.spent_s(before, after) == {"edge": pytest.approx(0.3)}


def test_waiting_for_a_core_is_counted() -> None:
    """Of two processes that want one core all the time, one always waits for it."""
    core = min(os.sched_getaffinity(0))
    pinned = f"import os\nos.sched_setaffinity(0, {{{core}}})\n{BURN}"
    burning = [subprocess.Popen([sys.executable, "-c", pinned]) for _ in range(2)]
    groups = {"both": tuple(process.pid for process in burning)}
    try:
        deadline = time.monotonic() + 20
        while sum(processes.sample(groups)["both"].cpu_s.values()) < 0.6 and time.monotonic() < deadline:
            time.sleep(0.05)
        # The first may be through with most of its 0.3 s before the second begins.
        assert processes.waited_s(groups) > 0.05
    finally:
        for process in burning:
            process.kill()
            process.wait()
