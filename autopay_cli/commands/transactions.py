"""`autopay tx`: what the ledger recorded."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autopay_cli import payment_words, screen
from autopay_cli.commands import tx_export, tx_import, tx_quarantine, tx_watch
from autopay_cli.ledger_access import Ledger, LedgerAccess
from autopay_cli.options import AsJson, DataDirectory
from autopay_cli.selecting import Account, Currency, Risk, Since, Source, Status, Until, selection

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2

_PAGE_ROWS_MAX: Final = 500


def commands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Read payments from the ledger, load and unload them.")
    group.command("get")(get)
    group.command("list")(list_newest)
    group.command("watch")(tx_watch.watch)
    group.command("import")(tx_import.import_file)
    group.command("export")(tx_export.export)
    group.add_typer(tx_quarantine.commands(), name="quarantine")
    return group


def get(
    tx_id: Annotated[str, typer.Argument(metavar="TX", help="The payment's id.", show_default=False)],
    *,
    source: Annotated[str, typer.Option(help="The source it came from.")] = "autopay",
    full: Annotated[bool, typer.Option("--full", help="With its single events. Audited.")] = False,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Show one payment."""
    with LedgerAccess.of(ledger, data_dir).client() as client:
        payment = client.get(source, tx_id, full=full)
    if as_json:
        typer.echo(payment_words.json_line(payment))
        return
    _show_one(payment)


def list_newest(
    *,
    source: Source = "",
    account: Account = "",
    status: Status = "",
    currency: Currency = "",
    risk: Risk = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(help="The most payments shown.", min=1, max=10_000)] = 20,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """List payments, newest first."""
    access = LedgerAccess.of(ledger, data_dir)
    wanted = selection(
        source=source, account=account, status=status, currency=currency, risk=risk, since=since, until=until
    )
    wanted["page_size"] = min(limit, _PAGE_ROWS_MAX)
    with access.client() as client:
        payments = list(itertools.islice(client.list(**wanted), limit))
    if as_json:
        # One per line, so that a script can take them one by one.
        for payment in payments:
            typer.echo(payment_words.json_line(payment))
        return
    _show_many(payments)


def _show_many(payments: list[ledger_pb2.Transaction]) -> None:
    from autopay_client.words import STATUS
    from rich.table import Table

    table = Table()
    for heading in ("recorded", "source", "payment", "status", "amount", "from", "to", "risk", "version"):
        table.add_column(heading, justify="right" if heading in {"amount", "version"} else "left")
    for each in payments:
        table.add_row(
            payment_words.time(each.recorded_at_ms),
            each.source,
            each.tx_id,
            STATUS.word(each.status),
            payment_words.amount(each.amount),
            each.sender_account,
            each.receiver_account,
            payment_words.risk(each),
            str(each.version),
        )
    screen.console().print(table if payments else "The ledger holds no such payment.")


def _show_one(payment: ledger_pb2.Transaction) -> None:
    from autopay_client.words import STATUS
    from rich.table import Table

    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    facts.add_row("payment", f"{payment.source}/{payment.tx_id}, version {payment.version}")
    facts.add_row("status", STATUS.word(payment.status))
    facts.add_row("amount", payment_words.amount(payment.amount))
    facts.add_row("accounts", f"{payment.sender_account or '–'} → {payment.receiver_account or '–'}")
    facts.add_row("risk", payment_words.risk(payment))
    for reason in payment.risk.reasons:
        facts.add_row("", screen.plain(f"{reason.code}: {reason.sentence}"))
    facts.add_row("recorded", payment_words.time(payment.recorded_at_ms))
    facts.add_row("events", str(payment.event_count))
    if payment.description:
        facts.add_row("description", screen.plain(payment.description))
    console = screen.console()
    console.print(facts)
    if payment.events:
        console.print(_events(payment))


def _events(payment: ledger_pb2.Transaction) -> object:
    from autopay_client.words import KIND, OUTCOME
    from rich.table import Table

    table = Table()
    for heading in ("recorded", "event", "kind", "amount", "outcome", "delivery"):
        table.add_column(heading, overflow="fold")
    for each in payment.events:
        table.add_row(
            payment_words.time(each.recorded_at_ms),
            screen.plain(each.event.event_id),
            KIND.word(each.event.kind),
            payment_words.amount(each.event.amount),
            OUTCOME.word(each.outcome),
            each.delivery,
        )
    return table
