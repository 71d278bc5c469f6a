"""`autopay tx import`: facts from a file into the ledger."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from autopay_cli.checkpoint import Keeper
from autopay_cli.failure import Failure
from autopay_cli.importing import Importing, Tally
from autopay_cli.ledger_access import Ledger, LedgerAccess
from autopay_cli.options import AsJson, DataDirectory
from autopay_cli.progress import Progress
from autopay_cli.row_reading import Bytes, Format, format_of, lines_of

# A fail-over takes seconds, and an import has the time.
_BATCH_S_MAX: Final = 30.0
_SHOWN_MAX: Final = 20


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines or CSV; - is standard input.")],
    *,
    form: Annotated[
        Format | None, typer.Option("--format", help="Default: by the file's name.", show_default=False)
    ] = None,
    source: Annotated[str, typer.Option(help="The source of rows that name none.", show_default=False)] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check every row; record none.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, wherever an earlier run stopped.")] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Where the place is kept. Default: FILE.checkpoint.", dir_okay=False, show_default=False),
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds to wait for a ledger that is away before stopping.", min=0)
    ] = 60,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Record facts from a file, one a line; exit 1 when a row failed.

    A row is one event of one payment, in the columns that `autopay tx export` writes. What the ledger has already is a
    duplicate, so a file may be imported as often as wanted. A run that was stopped goes on where it was: its place is
    kept in FILE.checkpoint.
    """
    form = format_of(file, form)
    access = None if dry_run else LedgerAccess.of(ledger, data_dir)
    keeper = Keeper.of(file, access.target if access else "", path=checkpoint, restart=restart)
    with _opened(file) as (opened, size), Progress("importing", size, shown=not as_json) as progress:
        content = Bytes(opened)
        shown = _Shown(progress)
        importing = Importing(lines_of(content, form), source=source, after=keeper.line, failing=shown.show)
        if access is None:
            importing.check()
        else:
            with keeper.keeping(importing.tally), access.explaining():
                asyncio.run(_record(importing, access, keeper, patience, lambda: progress.reach(content.read)))
        shown.end()
    _report(importing.tally, keeper, as_json=as_json)
    if importing.tally.failed or keeper.failed:
        raise typer.Exit(1)


async def _record(
    importing: Importing, access: LedgerAccess, keeper: Keeper, patience_s: float, note: Callable[[], None]
) -> None:
    async with access.async_client(timeout_s=_BATCH_S_MAX) as client:
        async for tally in importing.into(partial(client.record_stream, patience_s=patience_s)):
            keeper.note(tally)
            note()


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    """Yield a file's bytes and their number, which nobody knows of standard input."""
    if str(file) == "-":
        yield sys.stdin.buffer, None
        return
    try:
        with file.open("rb") as opened:
            yield opened, file.stat().st_size
    except OSError as error:
        raise Failure(f"can't read {file}: {error.strerror or error}.") from error


class _Shown:
    """The first failed rows on standard error, the others as a number."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._count = 0

    def show(self, line: int, sentence: str) -> None:
        """One more failed."""
        self._count += 1
        if self._count <= _SHOWN_MAX:
            self._progress.say(f"line {line}: {sentence}")

    def end(self) -> None:
        """Say how many were not shown."""
        if self._count > _SHOWN_MAX:
            self._progress.say(f"… and {self._count - _SHOWN_MAX} more")


def _report(tally: Tally, keeper: Keeper, *, as_json: bool) -> None:
    if as_json:
        report = {
            "rows": tally.rows,
            **tally.outcomes,
            "failed": tally.failed,
            "errors": [{"line": line, "error": sentence} for line, sentence in tally.errors],
            "began_after_line": keeper.line,
            "failed_before": keeper.failed,
        }
        typer.echo(json.dumps(report, indent=2))
        return
    parts = [f"{count:,} {word}" for word, count in sorted(tally.outcomes.items())]
    if tally.failed:
        parts.append(f"{tally.failed:,} failed")
    typer.echo(f"{tally.rows:,} rows: {', '.join(parts) or 'nothing to do'}.")
    if keeper.line:
        typer.echo(f"Went on after line {keeper.line:,}, where {keeper.failed:,} rows had failed.")
