"""`autopay doctor`: what is configured, what answers, what is missing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import typer

from autopay_cli import screen
from autopay_cli.options import AsJson, DataDirectory


def doctor(*, as_json: AsJson = False, data_dir: DataDirectory = Path(".autopay")) -> None:
    """Say what is configured, reachable and missing; exit 1 when something needed is missing. Shows no secret."""
    from autopay_cli.examination import State, examine

    findings = examine(data_dir)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        from rich.table import Table
        from rich.text import Text

        marks = {
            State.GOOD: Text("ok", style="green"),
            State.ABSENT: Text("–", style="dim"),
            State.BAD: Text("missing", style="red"),
        }
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column()
        table.add_column()
        table.add_column(overflow="fold")
        for finding in findings:
            table.add_row(marks[finding.state], finding.subject, finding.detail)
        screen.console().print(table)
    if any(finding.state is State.BAD for finding in findings):
        raise typer.Exit(1)
