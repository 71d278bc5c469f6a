"""Runs the mesh under load and says where its CPU goes: a flame graph per process and a table of functions.

`python -m bench.profiling`, as root or where `kernel.yama.ptrace_scope` is 0: py-spy reads the processes' memory.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from bench import flames, launching, machine, mesh, processes, threads, traffic, window, wrk
from bench.launching import LaunchError
from bench.processes import ProcessLostError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from bench.flames import Stacks
    from bench.threads import Split
    from bench.window import Window

_BROKEN: Final = 2
_RATE: Final = 8_000.0
_PYTHON: Final = ("edge", "ingest", "ledger", "insight")
_PER_S: Final = 200
_START_S: Final = 2.0
_END_S_MAX: Final = 30.0


def run(
    *,
    seconds: Annotated[int, typer.Option(min=2, help="How long to look.")] = 15,
    concurrency: Annotated[int, typer.Option(min=1, help="Connections.")] = 512,
    native: Annotated[bool, typer.Option("--native", help="Look into C extensions, too; slower.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Functions to list per process.")] = 25,
    out: Annotated[Path, typer.Option(help="Where pictures and tables go.")] = Path("bench/results/profile"),
) -> None:
    """Saturate the mesh and sample the stacks of each of its processes meanwhile."""
    progress = Console(stderr=True, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    try:
        wrk.executable()
        with tempfile.TemporaryDirectory(dir=out, prefix="scratch-") as scratch:
            seen, splits, stacks = _measure(Path(scratch).resolve(), seconds, concurrency, native=native)
    except (ValueError, wrk.WrkError, LaunchError, ProcessLostError) as problem:
        progress.print(f"profile: {problem}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(_BROKEN) from problem
    text = _write(seen, splits, stacks, out, top)
    Console(highlight=False).print(text, markup=False, soft_wrap=True)
    progress.print(f"flame graphs in {out}", markup=False)


def _measure(
    folder: Path, seconds: int, concurrency: int, *, native: bool
) -> tuple[Window, Mapping[str, Split], Mapping[str, Stacks]]:
    with mesh.start(folder) as server:
        sender = window.Sender(server, traffic.Payments(seed=0), scratch=folder, rate=_RATE)
        sender.prepare(concurrency=concurrency, duration_s=3)
        sender.send(concurrency=concurrency, duration_s=3)
        # First without py-spy, which slows what it looks at: the figures per webhook are these.
        pids = {name: server.processes[name][0] for name in _PYTHON}
        before = {name: threads.cpu(pid) for name, pid in pids.items()}
        seen = window.measure(sender, concurrency=concurrency, duration_s=max(4, seconds / 2))
        splits = {name: threads.split(before[name], threads.cpu(pid), per=seen.accepted) for name, pid in pids.items()}
        sender.prepare(concurrency=concurrency, duration_s=seconds + 2 * _START_S)
        with ExitStack() as running:
            groups = processes.members(server.processes)
            spies = {
                name: running.enter_context(_spying(groups[name][0], folder / f"{name}.raw", seconds, native=native))
                for name in _PYTHON
            }
            sender.send(concurrency=concurrency, duration_s=seconds + 2 * _START_S)
            for name, spy in spies.items():
                _await(name, spy, folder / f"{name}.log")
        return (
            seen,
            splits,
            {name: flames.read((folder / f"{name}.raw").read_text()) for name in _PYTHON},
        )


def _spying(pid: int, raw: Path, seconds: int, *, native: bool) -> AbstractContextManager[subprocess.Popen[bytes]]:
    command = [_executable(), "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(_PER_S)]
    # Without --gil py-spy takes threads that wait for running ones where it can't ask the system.
    command += ["--gil"]
    command += ["--format", "raw", "--output", str(raw), *(["--native"] if native else [])]
    return launching.child(command, log=raw.with_suffix(".log"))


def _executable() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        message = "py-spy is not installed: `make setup` does it"
        raise LaunchError(message)
    return found


def _await(name: str, spy: subprocess.Popen[bytes], log: Path) -> None:
    try:
        code = spy.wait(timeout=_END_S_MAX)
    except subprocess.TimeoutExpired as late:
        message = f"py-spy did not end with {name}"
        raise LaunchError(message) from late
    if code != 0:
        message = f"py-spy could not read {name} (are you root?): {log.read_text(errors='replace').strip()[-300:]}"
        raise LaunchError(message)


def _write(seen: Window, splits: Mapping[str, Split], stacks: Mapping[str, Stacks], out: Path, top: int) -> str:
    """Write a flame graph per process, and one text of everything, which is returned."""
    parts = [_heading(seen)]
    for name, of in stacks.items():
        cost_us = seen.cpu_us[name] + seen.late_cpu_us[name]
        (out / f"{name}.svg").write_text(flames.svg(of, f"{name}, {cost_us:.0f} µs per webhook"))
        parts.append(_functions(name, cost_us, splits[name], of, top))
    text = "\n".join(parts)
    (out / "functions.txt").write_text(text)
    return text


def _heading(seen: Window) -> str:
    described = machine.describe()
    costs = sorted(((seen.cpu_us[name] + seen.late_cpu_us[name], name) for name in seen.cpu_us), reverse=True)
    return (
        f"{machine.line(described)}, {described['measured_at']}\n"
        f"{seen.requests_per_s:,.0f} webhooks/s over {seen.concurrency} connections before py-spy looked;"
        f" others used {seen.others_cores:.2f} cores\n"
        f"CPU µs per webhook: {'  '.join(f'{name} {cost:.0f}' for cost, name in costs)}\n"
    )


def _functions(name: str, cost_us: float, split: Split, stacks: Stacks, top: int) -> str:
    samples = sum(count for _, count in stacks)
    rows = [
        f"\n{name}: {cost_us:.0f} µs per webhook",
        f"event loop: {split.loop_user_us:.0f} own, {split.loop_system_us:.0f} in the system",
        f"other threads: {split.others_user_us:.0f} own, {split.others_system_us:.0f} in the system",
        f"shares of {samples:,} samples that held the interpreter; µs as if all CPU were spent holding it, so at most",
        f"{'own':>6} {'µs':>6} {'within':>7}  function",
    ]
    rows += [
        f"{share.own:6.1%} {share.own * cost_us:6.1f} {share.inclusive:7.1%}  {share.function}"
        for share in flames.shares(stacks)[:top]
    ]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    typer.run(run)
