"""`autopay keys`: makes API keys, of which the edge keeps only a hash."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from autopay_cli.failure import Failure
from autopay_cli.options import AsJson


class ScopeName(StrEnum):
    """A scope as it is written in EDGE_API_KEYS."""

    TRANSACTIONS_READ = "transactions-read"
    TRANSACTIONS_FULL = "transactions-full"
    REPORTS_READ = "reports-read"
    MONITORING_READ = "monitoring-read"


def commands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Make API keys for reading over HTTP.")
    # A group of one command would lose the command's name.
    group.callback()(_group)
    group.command("new")(new)
    return group


def _group() -> None:
    """Make API keys for reading over HTTP."""


def new(
    key_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="Names the key, 1 to 40 of A-Z, a-z, 0-9, _ and -.", show_default=False),
    ],
    *,
    scope: Annotated[
        list[ScopeName] | None,
        typer.Option(help="What it may do; may be repeated. Default: transactions-read.", show_default=False),
    ] = None,
    days: Annotated[int, typer.Option(help="How many days it is valid; 0 is for ever.", min=0, max=3_650)] = 365,
    as_json: AsJson = False,
) -> None:
    """Make an API key: print it, this once, and the entry for EDGE_API_KEYS, which tells nothing about it."""
    from edge import key_entries

    last_day = datetime.now(UTC).date() + timedelta(days=days) if days else None
    scopes = [key_entries.Scope[name.name] for name in scope or [ScopeName.TRANSACTIONS_READ]]
    try:
        made = key_entries.new(key_id, scopes, last_day=last_day)
    except ValueError as error:
        raise Failure(f"{error}.") from error
    if as_json:
        typer.echo(json.dumps({"key": made.key, "entry": made.entry}))
        return
    typer.echo(f"Key, shown this once:     {made.key}")
    typer.echo(f"Entry for EDGE_API_KEYS:  {made.entry}")
