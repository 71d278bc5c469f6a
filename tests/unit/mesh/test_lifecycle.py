"""The life of a process: it stops when told, and says in one line why it can't start."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
{first}
import asyncio
from mesh.lifecycle import run, stop_on_signal

async def main():
    stop = stop_on_signal()
    print("up", flush=True)
    {body}

run("example", {main}{options})
"""


def start(body: str = "pass", *, main: str = "main", first: str = "", options: str = "") -> subprocess.Popen[str]:
    """Start a process whose main does what is said; `first` comes before everything, `options` go to `run`."""
    program = PROGRAM.format(body=body, main=main, first=first, options=options)
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_and_the_process_ends_cleanly(signum: signal.Signals) -> None:
    """SIGTERM and SIGINT set the event; what follows it runs to its end, and the exit code is 0."""
    process = start("await stop.wait(); await asyncio.sleep(0.05); print('drained', type(asyncio.get_running_loop()))")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signum)
    process.send_signal(signum)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert out == "drained <class 'uvloop.Loop'>\n"


@pytest.mark.parametrize(
    ("main", "said"),
    [
        ("lambda: (_ for _ in ()).throw(ValueError('wrong setting: EXAMPLE_BIND'))", "wrong setting: EXAMPLE_BIND"),
        ("lambda: (_ for _ in ()).throw(OSError('the port is taken'))", "the port is taken"),
    ],
)
def test_a_start_that_can_not_work_is_one_line_and_exit_code_2(main: str, said: str) -> None:
    """A wrong setting or a taken port ends the process with the process's name and the reason, and no traceback."""
    process = start(main=main)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (2, "", f"example: {said}\n")


def test_a_bug_keeps_its_traceback() -> None:
    """An unexpected error is not taken for a wrong setting."""
    process = start("raise LookupError('a bug')")
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "Traceback" in err
    assert "LookupError: a bug" in err


def test_the_lifecycle_does_not_load_grpc() -> None:
    """A process that never calls anybody, as the edge's supervisor, must not pay for grpc."""
    program = "import sys, mesh.lifecycle; print([name for name in sys.modules if name.startswith('grpc')])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("options", "left"), [(", serves_calls=True", False), ("", True)])
def test_rings_of_garbage_do_not_gather_where_calls_are_served(options: str, left: bool) -> None:
    """What refers to itself is found while the process runs, though it makes too little garbage to be looked at."""
    body = """import gc, weakref
    class Ring: pass
    ring = Ring()
    ring.itself, seen = ring, weakref.ref(ring)
    del ring
    for _ in range(20):
        await asyncio.sleep(0.02)
        if seen() is None: break
    print(gc.get_threshold()[0] > 10_000, seen() is not None)"""
    process = start(body, first="import mesh.lifecycle as life; life._COLLECT_S = 0.02", options=options)
    assert process.communicate(timeout=20)[0].splitlines() == ["up", f"True {left}"]
