"""Injects one fault after the other into a real mesh under load: `python -m tests.chaos --help`."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import machine
from tests.chaos import registry
from tests.chaos.running import Pace, Result, results_of
from tests.chaos.scenario import Scenario
from tests.servers import why_no_mongod

_UNUSABLE = 2


def main(
    *,
    only: Annotated[list[str] | None, typer.Option(help="A fault to inject; repeat for more. Default: all.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Say what there is, and inject nothing.")] = False,
    short: Annotated[bool, typer.Option("--short", help="Those that `make test` injects.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Times everything is injected.")] = 1,
    rate: Annotated[float, typer.Option(min=1, max=500, help="New payments a second.")] = 50.0,
    keep: Annotated[Path | None, typer.Option(help="A new directory that keeps the logs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON, not as a table.")] = False,
) -> None:
    """Kill, freeze, cut off and mislead the mesh under signed traffic, then look whether every 2xx was true."""
    progress = Console(stderr=True, highlight=False)
    try:
        scenarios = registry.SHORT if short else registry.chosen(only or [])
    except ValueError as problem:
        progress.print(f"chaos: {problem}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(_UNUSABLE) from problem
    if listed:
        for scenario in scenarios:
            Console(highlight=False).print(f"{scenario.name:22} {scenario.promise}", markup=False, soft_wrap=True)
        return
    if reason := why_no_mongod():
        progress.print(f"chaos: {reason}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(_UNUSABLE)
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        directory = keep or Path(scratch) / "run"
        directory.mkdir(parents=True)
        results = asyncio.run(_run(scenarios, directory, rounds=rounds, pace=Pace(rate=rate), progress=progress))
    _report(results, as_json=as_json)
    raise typer.Exit(0 if all(result.kept for result in results) else 1)


async def _run(
    scenarios: Sequence[Scenario], directory: Path, *, rounds: int, pace: Pace, progress: Console
) -> list[Result]:
    def say(text: str) -> None:
        progress.print(text, markup=False, soft_wrap=True)

    results = []
    for number in range(rounds):
        if rounds > 1:
            say(f"round {number + 1} of {rounds}")
        async for result in results_of(scenarios, directory / f"round-{number + 1}", pace=pace, say=say):
            say(_line(result))
            results.append(result)
    return results


def _line(result: Result) -> str:
    if result.skipped:
        return f"  {result.name}: skipped: {result.skipped}"
    said = f"  {result.acknowledged} of {result.sent} acknowledged, lost {result.lost}, doubled {result.doubled}"
    said += f", recovered in {_seconds(result.recovery_s)} s"
    return "\n".join([said, *(f"  WRONG {complaint}" for complaint in result.complaints)])


def _report(results: Sequence[Result], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"machine": machine.describe(), "results": [asdict(each) for each in results]}, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("fault", "sent", "acknowledged", "lost", "doubled", "recovery s", "silence s", "answers", ""):
        table.add_column(title, justify="left" if title in {"fault", "answers", ""} else "right")
    for result in results:
        if result.skipped:
            table.add_row(result.name, *[""] * 6, result.skipped, "skipped")
            continue
        numbers = [result.sent, result.acknowledged, result.lost, result.doubled]
        times = [_seconds(result.recovery_s), _seconds(result.silence_s)]
        answers = ", ".join(f"{count} × {status}" for status, count in result.answers.items())
        table.add_row(result.name, *map(str, numbers), *times, answers, "ok" if result.kept else "WRONG")
    Console(width=160, highlight=False).print(table)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    typer.run(main)
