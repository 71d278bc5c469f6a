"""`autopay tx quarantine`: deliveries that are not recorded, and what a person decides about them."""

from __future__ import annotations

import getpass
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autopay_cli import payment_words, screen
from autopay_cli.failure import Failure
from autopay_cli.ledger_access import Ledger, LedgerAccess
from autopay_cli.options import AsJson, DataDirectory
from autopay_cli.selecting import Source

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2
    from autopay_client import LedgerClient

_WHOLE_ID: Final = re.compile(r"[a-z0-9_-]{1,40}:[0-9a-f]{64}", re.ASCII)
_HASH_SHOWN: Final = 12
# How far a short id is looked for among what is listed.
_SEARCHED_MAX: Final = 2_000

Delivery = Annotated[
    str, typer.Argument(metavar="ID", help="The delivery's id, or as much of it as is unique.", show_default=False)
]
Note = Annotated[str, typer.Option("--note", help="Why; kept with the delivery.", show_default=False)]
Author = Annotated[str, typer.Option("--author", help="Who decides. Default: your user name.", show_default=False)]


def commands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Look at deliveries that are not recorded, and decide about them.")
    group.command("list")(list_newest)
    group.command("show")(show)
    group.command("accept")(accept)
    group.command("dismiss")(dismiss)
    group.command("redrive")(redrive)
    return group


def list_newest(
    *,
    disposition: Annotated[
        str,
        typer.Option(
            help="conflict, unprocessable, waiting, ignored or dismissed. Default: the first three.",
            show_default=False,
        ),
    ] = "",
    source: Source = "",
    since: Annotated[str, typer.Option(help="Received at or after this date or time, UTC.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(help="The most deliveries shown.", min=1, max=10_000)] = 20,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """List deliveries that somebody has to look at, newest first."""
    from autopay_client.words import DISPOSITION

    wanted = payment_words.checked(disposition, DISPOSITION, "--disposition")
    received = payment_words.instant(since, "--since")
    with LedgerAccess.of(ledger, data_dir).client() as client:
        found = list(itertools.islice(client.deliveries(wanted, source=source, since=received), limit))
    if as_json:
        for each in found:
            typer.echo(payment_words.json_line(each))
        return
    _show_many(found)


def show(
    delivery: Delivery,
    *,
    body: Annotated[bool, typer.Option("--body", help="With its exact bytes. Audited.")] = False,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Show one delivery: what arrived, what is wrong with it, what was decided."""
    with LedgerAccess.of(ledger, data_dir).client() as client:
        found = client.delivery(_whole_id(client, delivery), with_body=body)
    if as_json:
        typer.echo(payment_words.json_line(found))
        return
    _show_one(found, body=body)


def accept(
    delivery: Delivery,
    *,
    note: Note,
    author: Author = "",
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Accept the facts of a conflict: they are recorded as a correction, and hold."""
    _decide(LedgerAccess.of(ledger, data_dir), delivery, "accept", note=note, author=author, as_json=as_json)


def dismiss(
    delivery: Delivery,
    *,
    note: Note,
    author: Author = "",
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Dismiss a delivery: it was wrong. It is kept, and no longer listed."""
    _decide(LedgerAccess.of(ledger, data_dir), delivery, "dismiss", note=note, author=author, as_json=as_json)


def redrive(
    delivery: Delivery,
    *,
    note: Note,
    author: Author = "",
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Run a delivery through ingest again, after its mapping was fixed."""
    _decide(LedgerAccess.of(ledger, data_dir), delivery, "redrive", note=note, author=author, as_json=as_json)


def _decide(access: LedgerAccess, delivery: str, resolution: str, *, note: str, author: str, as_json: bool) -> None:
    with access.client() as client:
        decided = client.resolve(_whole_id(client, delivery), resolution, author=author or getpass.getuser(), note=note)
    if as_json:
        typer.echo(payment_words.json_line(decided))
        return
    _show_one(decided, body=False)


def _whole_id(client: LedgerClient, text: str) -> str:
    """Return a delivery's id from the beginning of one that is listed.

    Raises:
        Failure: none begins so, or several do.
    """
    if _WHOLE_ID.fullmatch(text):
        return text
    listed = itertools.chain(client.deliveries(), client.deliveries("ignored"), client.deliveries("dismissed"))
    found = {each.id for each in itertools.islice(listed, _SEARCHED_MAX) if each.id.startswith(text)}
    if len(found) == 1:
        return found.pop()
    if found:
        raise Failure(f"{len(found)} deliveries begin with {text}: give more of the id.")
    raise Failure(f"no delivery among the newest {_SEARCHED_MAX:,} begins with {text}: give its whole id.")


def _show_many(found: list[ledger_pb2.StoredDelivery]) -> None:
    from autopay_client.words import DISPOSITION
    from rich.table import Table

    table = Table()
    for heading in ("received", "delivery", "disposition", "times", "why"):
        table.add_column(heading, justify="right" if heading == "times" else "left", overflow="fold")
    for each in found:
        source, _, digest = each.id.partition(":")
        table.add_row(
            payment_words.time(each.delivery.received_at_ms or each.recorded_at_ms),
            f"{source}:{digest[:_HASH_SHOWN]}",
            DISPOSITION.word(each.disposition),
            str(each.count),
            _why(each),
        )
    screen.console().print(table if found else "Nothing waits for anybody.")


def _why(delivery: ledger_pb2.StoredDelivery) -> str:
    conflicts = [f"{each.event.tx_id}: {each.field} differs" for each in delivery.conflicts]
    return screen.plain("; ".join(filter(None, [delivery.disposition_detail, *conflicts])))


def _show_one(found: ledger_pb2.StoredDelivery, *, body: bool) -> None:
    from autopay_client.words import DISPOSITION, KIND, RESOLUTION
    from rich.table import Table

    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    facts.add_row("delivery", found.id)
    facts.add_row("disposition", DISPOSITION.word(found.disposition))
    if found.disposition_detail:
        facts.add_row("why", screen.plain(found.disposition_detail))
    facts.add_row("provider", found.delivery.provider)
    facts.add_row("arrived", f"{payment_words.time(found.recorded_at_ms)}, {found.count} times in all")
    facts.add_row("payments", ", ".join(each.tx_id for each in found.transactions) or "none")
    for each in found.conflicts:
        stated = f"{KIND.word(each.event.kind)} {payment_words.amount(each.event.amount)}".strip()
        facts.add_row("contradicts", f"{each.event.tx_id}: {each.field} differs; it says {stated}")
    for decided in found.resolutions:
        facts.add_row(
            "decided",
            f"{RESOLUTION.word(decided.resolution)} by {screen.plain(decided.author)} at "
            f"{payment_words.time(decided.resolved_at_ms)}: {screen.plain(decided.note)}",
        )
    if found.erased:
        facts.add_row("body", "erased")
    elif body:
        facts.add_row("body", screen.plain(found.delivery.body.decode(errors="backslashreplace")))
    screen.console().print(facts)
