"""Runs the benchmark: `python -m bench --help`."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench import comparing, machine, page, sections, servers, wrk
from bench.launching import LaunchError
from bench.plan import Plan
from bench.processes import ProcessLostError

_BROKEN = 2
_LATEST = "latest.json"
_QUICK = {"duration_s": 2.0, "warmup_s": 1.0, "rounds": 1}
_QUICK_PAYMENTS = 10_000


_ONLY_HELP = f"A section to run; repeat for more. There are: {', '.join(sections.names())}."


def run(
    *,
    only: Annotated[list[str] | None, typer.Option(help=_ONLY_HELP)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run every section; takes half an hour.")] = False,
    server: Annotated[list[str] | None, typer.Option(help="A server to measure; repeat for more.")] = None,
    duration: Annotated[float, typer.Option(min=1, help="Seconds of one measured window.")] = 8.0,
    concurrency: Annotated[str, typer.Option(help="Connections, by comma.")] = "64,1024",
    rounds: Annotated[int, typer.Option(min=1, help="Times every server is measured, in turn.")] = 3,
    out: Annotated[Path, typer.Option(help="Where the JSON and the pictures go.")] = Path("bench/results"),
    payments: Annotated[int, typer.Option(min=1_000, help="The largest ledger that is read from.")] = 50_000,
    quick: Annotated[bool, typer.Option("--quick", help="One short round: a smoke test, not a figure.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, not as tables.")] = False,
    against: Annotated[
        Path | None, typer.Option(help="The JSON of an earlier run to compare with. Default: the last one in --out.")
    ] = None,
    no_gates: Annotated[bool, typer.Option("--no-gates", help="Exit 0 even if a promise is not kept.")] = False,
) -> None:
    """Measure the mesh, a conventional service and a bare handler on this machine, in one run."""
    progress = Console(stderr=True, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    try:
        chosen = _chosen("section", only, sections.names())
        if not only and not everything:
            chosen = sections.defaults()
        earlier = _earlier(against or out / _LATEST, asked=against is not None)
        measured = _chosen("server", server, tuple(servers.available()))
        concurrencies = tuple(int(word) for word in concurrency.split(","))
        wrk.executable()
        with tempfile.TemporaryDirectory(dir=out, prefix="scratch-") as scratch:
            plan = Plan(
                duration_s=_QUICK["duration_s"] if quick else duration,
                warmup_s=_QUICK["warmup_s"] if quick else 3.0,
                rounds=int(_QUICK["rounds"]) if quick else rounds,
                concurrencies=concurrencies,
                servers=measured,
                scratch=Path(scratch).resolve(),
                payments=min(payments, _QUICK_PAYMENTS) if quick else payments,
            )
            figures = _measure(plan, chosen, progress)
    except (ValueError, wrk.WrkError, LaunchError, ProcessLostError) as problem:
        progress.print(f"bench: {problem}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(_BROKEN) from problem
    kept = _report(figures, earlier, out=out, as_json=as_json, progress=progress)
    raise typer.Exit(0 if kept or no_gates else 1)


def _chosen(what: str, wanted: list[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        message = f"no such {what}: {', '.join(unknown)} (there are: {', '.join(known)})"
        raise ValueError(message)
    return tuple(wanted) if wanted else known


def _earlier(file: Path, *, asked: bool) -> dict[str, Any] | None:
    """Read an earlier run's figures; None where there is none, or one of a form that can't be compared."""
    if not file.exists():
        if asked:
            message = f"no earlier run in {file}"
            raise ValueError(message)
        return None
    read: dict[str, Any] = json.loads(file.read_text())
    return read if "samples" in read else None


def _measure(plan: Plan, chosen: tuple[str, ...], progress: Console) -> dict[str, Any]:
    def say(text: str) -> None:
        progress.print(text, markup=False, soft_wrap=True)

    figures: dict[str, Any] = {"machine": machine.describe(), "sections": {}, "failures": {}}
    started_s = time.monotonic()
    figures["plan"] = {"duration_s": plan.duration_s, "warmup_s": plan.warmup_s, "rounds": plan.rounds}
    for name in chosen:
        section = sections.find(name)
        say(section.TITLE)
        try:
            figures["sections"][name] = section.measure(plan, say)
        except (wrk.WrkError, LaunchError, ProcessLostError) as failure:
            # What the other sections measured took minutes, and is still worth reading.
            figures["failures"][name] = str(failure)
    figures["took_s"] = time.monotonic() - started_s
    if not figures["sections"]:
        raise LaunchError("; ".join(figures["failures"].values()))
    return figures


def _report(
    figures: dict[str, Any], earlier: dict[str, Any] | None, *, out: Path, as_json: bool, progress: Console
) -> bool:
    """Write and print everything; True if every section was measured and every promise kept."""
    kept = not figures["failures"]
    for name, failure in figures["failures"].items():
        progress.print(f"not measured: {name}: {failure}", style="red", markup=False, soft_wrap=True)
    console = Console(highlight=False)
    figures["gates"], figures["samples"] = [], {}
    parts: list[page.Part] = []
    for name, measured in figures["sections"].items():
        section = sections.find(name)
        held = section.gates(measured)
        kept = kept and all(gate.passed for gate in held)
        figures["gates"] += [str(gate) for gate in held]
        figures["samples"][name] = {of: asdict(sample) for of, sample in section.samples(measured).items()}
        laid_out = section.tables(measured)
        parts.append(page.Part(section.TITLE, laid_out, section.draw(measured, out)))
        if not as_json:
            for table in laid_out:
                console.print(table)
    compared = None
    if earlier is not None:
        figures["comparison"] = comparing.compare(earlier, figures)
        compared = comparing.table(figures["comparison"]) if figures["comparison"]["differences"] else None
    page.write(figures, parts, compared, out / "latest.html")
    written = json.dumps(figures, indent=2, ensure_ascii=False)
    if (out / _LATEST).exists():
        (out / _LATEST).replace(out / "previous.json")
    (out / _LATEST).write_text(written + "\n")
    if as_json:
        typer.echo(written)
    else:
        if compared is not None:
            console.print(compared)
        console.print(machine.line(figures["machine"]), markup=False)
        for gate in figures["gates"]:
            console.print(gate, style="green" if gate.startswith("PASS") else "red", markup=False)
    progress.print(f"figures in {out} after {figures['took_s'] / 60:.1f} minutes", markup=False)
    return kept


if __name__ == "__main__":
    typer.run(run)
