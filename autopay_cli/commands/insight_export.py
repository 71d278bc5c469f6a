"""`autopay insight export`: the model's state, to look at or to keep."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from autopay_cli import screen
from autopay_cli.failure import Failure
from autopay_cli.insight_access import Insight, InsightAccess
from autopay_cli.options import AsJson, DataDirectory

if TYPE_CHECKING:
    from autopay.insight.v1 import insight_pb2
    from rich.table import Table

# For all profiles; the model alone takes milliseconds.
_TIMEOUT_S: Final = 600.0
_PROFILES: Final = "profiles/1"


def export(
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A file to write, JSON lines. Default: shown here.", show_default=False),
    ] = None,
    profiles: Annotated[
        bool, typer.Option("--profiles", help="With what is remembered of every account. Needs --out.")
    ] = False,
    insight: Insight = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Export the detector's state: versions, weights, thresholds, and profiles (docs/model-export.md)."""
    from autopay.insight.v1 import insight_pb2

    if profiles and out is None:
        raise Failure("--profiles is a line for every account: name a file with --out.")
    with InsightAccess.of(insight, data_dir).stub() as stub:
        parts = stub.ExportModel(insight_pb2.ExportModelRequest(profiles=profiles), timeout=_TIMEOUT_S)
        if out is not None:
            typer.echo(f"{out}: {_write(out, parts)}")
            return
        line = b"".join(part.part for part in parts).decode()
    if as_json:
        typer.echo(line, nl=False)
        return
    model = json.loads(line)
    screen.console().print(_table(model))
    typer.echo(f"levels from {model['levels_from']}; {model['verdicts']:,} verdicts, payment {model['sequence']:,}")


def _write(out: Path, parts: Iterator[insight_pb2.ExportModelResponse]) -> str:
    """Write what comes, and put it in its place when it is whole: accounts are named in it, so only we may read it."""
    unfinished = out.with_name(f"{out.name}.part")
    count = size = 0
    try:
        unfinished.unlink(missing_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor with its mode
            for part in parts:
                size += file.write(part.part)
                count += part.part.count(b"\n") if part.format == _PROFILES else 0
        unfinished.replace(out)
    except OSError as error:
        raise Failure(f"can't write {out}: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return f"{size:,} bytes, {count:,} profiles"


def _table(model: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"model {model['model_version']}", title_justify="left")
    for heading in ("reason", "feature", "weight", "by the rules"):
        table.add_column(heading, justify="left" if heading in {"reason", "feature"} else "right")
    table.add_row("", "base", f"{model['base']['weight']:.3f}", f"{model['base']['rule']:.3f}")
    for each in model["features"]:
        table.add_row(each["reason"], each["name"], f"{each['weight']:.3f}", f"{each['rule']:.3f}")
    return table
