"""`autopay tx watch`: changes as the ledger records them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autopay_cli import payment_words
from autopay_cli.ledger_access import Ledger, LedgerAccess
from autopay_cli.options import AsJson, DataDirectory
from autopay_cli.selecting import Currency, Risk, Source, Status, narrowing

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2


def watch(
    *,
    start: Annotated[
        str, typer.Option("--from", help="Go on behind this token. Default: from now on.", metavar="TOKEN")
    ] = "",
    source: Source = "",
    status: Status = "",
    currency: Currency = "",
    risk: Risk = "",
    count: Annotated[int, typer.Option(help="Stop after so many changes; 0 is never.", min=0, show_default=False)] = 0,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Print each change of a payment as it is recorded, until Ctrl-C; then the token that goes on from there.

    With --json each line holds the change and the token that goes on behind it.
    """
    access = LedgerAccess.of(ledger, data_dir)
    wanted = narrowing(source=source, status=status, currency=currency, risk=risk)
    with access.client() as client, client.watch(resume_token=start, **wanted) as changes:
        try:
            changes.ready()
            typer.echo("Watching; Ctrl-C ends it.", err=True)
            for change in itertools.islice(changes, count or None):
                typer.echo(_as_json(change, changes.resume_token) if as_json else _as_text(change))
        except KeyboardInterrupt:
            typer.echo(err=True)
        finally:
            if changes.resume_token:
                typer.echo(f"Go on with: autopay tx watch --from {changes.resume_token}", err=True)


def _as_json(change: ledger_pb2.TransactionChange, token: str) -> str:
    return json.dumps({"change": json.loads(payment_words.json_line(change)), "resume_token": token})


def _as_text(change: ledger_pb2.TransactionChange) -> str:
    from autopay_client.words import KIND, OUTCOME, STATUS

    events = ", ".join(f"{KIND.word(each.kind)} {payment_words.amount(each.amount)}".strip() for each in change.events)
    facts = (
        payment_words.time(change.recorded_at_ms),
        f"{change.source}/{change.tx_id}",
        f"v{change.version}",
        OUTCOME.word(change.outcome),
        STATUS.word(change.status),
        events,
    )
    return "  ".join(facts)
