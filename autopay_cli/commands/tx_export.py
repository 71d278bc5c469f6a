"""`autopay tx export`: payments out of the ledger, as rows that `autopay tx import` takes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autopay_cli import exporting
from autopay_cli.failure import Failure
from autopay_cli.ledger_access import Ledger, LedgerAccess
from autopay_cli.options import DataDirectory
from autopay_cli.progress import Progress
from autopay_cli.row_writing import RowWriter, Written, writing
from autopay_cli.selecting import Account, Currency, Risk, Since, Source, Status, Until, selection

if TYPE_CHECKING:
    from autopay_client.requests import Selection

_CALL_S_MAX: Final = 30.0


def export(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file; - is standard output.")] = Path("-"),
    form: Annotated[
        Written | None,
        typer.Option("--format", help="Default: by the file's name, else jsonl.", show_default=False),
    ] = None,
    source: Source = "",
    account: Account = "",
    status: Status = "",
    currency: Currency = "",
    risk: Risk = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(help="The most payments; 0 is all.", min=0, show_default=False)] = 0,
    ledger: Ledger = "",
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Write payments as rows, one event a row, newest payment first; each payment's reading in full is audited.

    What the ledger stamps itself (versions, times of recording, deliveries) stays behind. Texts are written as they
    came: a spreadsheet may take one that begins with = for a formula.
    """
    wanted = selection(
        source=source, account=account, status=status, currency=currency, risk=risk, since=since, until=until
    )
    access = LedgerAccess.of(ledger, data_dir)
    with (
        Progress("exporting", limit or None, shown=str(output) != "-") as progress,
        writing(_format(output, form), output, sys.stdout) as writer,
        access.explaining(),
    ):
        count = asyncio.run(_export(access, wanted, limit, writer, progress))
    typer.echo(f"{count:,} payments.", err=True)


async def _export(access: LedgerAccess, wanted: Selection, limit: int, writer: RowWriter, progress: Progress) -> int:
    count = 0
    async with access.async_client(timeout_s=_CALL_S_MAX) as client:
        async for rows in exporting.payments(client, wanted, limit=limit):
            for row in rows:
                writer.write(row)
            count += 1
            progress.advance()
    return count


def _format(output: Path, chosen: Written | None) -> Written:
    if chosen is not None:
        return chosen
    if str(output) == "-":
        return Written.JSONL
    try:
        return Written({"ndjson": "jsonl", "json": "jsonl"}.get(output.suffix[1:].lower(), output.suffix[1:].lower()))
    except ValueError:
        raise Failure(f"{output}: is it to be {', '.join(Written)}? Say so with --format.") from None
