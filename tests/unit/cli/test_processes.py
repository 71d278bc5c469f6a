"""Children live in sessions of their own, log to files, and take everything they started with them."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autopay_cli.processes import Child, session_members

Run = Callable[[str], Child]

SLEEP = "import time; print('awake', flush=True); time.sleep(60)"
SPAWN = "import subprocess, sys; subprocess.Popen(['sleep', '60']); " + SLEEP
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts a child that runs a line of Python and waits until it says that it is awake."""
    children: list[Child] = []

    def start(code: str) -> Child:
        child = Child("sleeper", (sys.executable, "-c", code), log=tmp_path / "logs" / "sleeper.log")
        children.append(child)
        child.start()
        while child.alive and not child.last_words():
            time.sleep(0.01)
        return child

    yield start
    for child in children:
        child.kill()


def test_a_child_leads_a_session_of_its_own(run: Run) -> None:
    """Ctrl-C in the terminal goes to the terminal's session, so it doesn't reach a child."""
    child = run(SLEEP)
    assert session_members(child.pid) == [child.pid]
    assert list(child.pids) == [child.pid]


def test_killing_a_child_ends_what_it_started(run: Run) -> None:
    """No grandchild is left behind."""
    child = run(SPAWN)
    assert len(child.pids) == 2
    child.kill()
    assert session_members(child.pid) == []


def test_a_child_that_dies_leaves_nothing_after_kill(run: Run) -> None:
    """What a dead child had started is found and ended, too."""
    child = run(SPAWN)
    child.signal(signal.SIGKILL)
    assert child.wait(timeout_s=5)
    assert child.exit_code == -signal.SIGKILL
    assert len(session_members(child.pid)) == 1
    child.kill()
    assert session_members(child.pid) == []


def test_stopping_is_asked_for_first(run: Run) -> None:
    """A child that ends on SIGTERM has ended by itself, even when it was frozen."""
    child = run(SLEEP)
    child.signal(signal.SIGSTOP)
    assert child.stop(grace_s=5)
    assert child.exit_code == -signal.SIGTERM


def test_a_child_that_will_not_stop_is_killed(run: Run) -> None:
    """After the grace there is no more asking."""
    child = run(STUBBORN)
    assert not child.stop(grace_s=0.2)
    assert not child.alive
    assert child.exit_code == -signal.SIGKILL


def test_a_child_can_be_started_again(run: Run) -> None:
    """It is another process then, and its log goes on."""
    child = run(SLEEP)
    first = child.pid
    child.kill()
    child.start()
    assert child.alive
    assert child.pid != first


def test_output_goes_to_the_log(run: Run) -> None:
    """Standard output and standard error are kept, and the last line is at hand."""
    child = run("import sys; print('one'); sys.exit('two')")
    assert child.wait(timeout_s=5)
    assert child.exit_code == 1
    assert child.last_words() in {"one", "two"}
    assert set(child.log.read_text().split()) == {"one", "two"}


def test_a_child_that_was_never_started_is_harmless(tmp_path: Path) -> None:
    """Stopping everything doesn't need to know what was started."""
    child = Child("never", ("true",), log=tmp_path / "never.log")
    child.kill()
    assert not child.alive
    assert child.exit_code is None
    assert child.pids == ()
    assert child.last_words() == ""
