"""`autopay ledger`: what is done to the raw bytes that the ledger keeps."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autopay_cli.failure import Failure
from autopay_cli.ledger_access import Ledger, LedgerAccess
from autopay_cli.options import AsJson, DataDirectory

if TYPE_CHECKING:
    from autopay_client import LedgerClient

_TIMEOUT_S: Final = 20.0

Note = Annotated[str, typer.Option("--note", help="Why; kept in the audit.", show_default=False)]
Author = Annotated[str, typer.Option("--author", help="Who decides. Default: your user name.", show_default=False)]


def commands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Look after the raw bytes that the ledger keeps.")
    group.command("erase")(erase)
    group.command("reseal")(reseal)
    return group


def erase(
    *,
    account: Annotated[str, typer.Option("--account", help="The account, payer or paid.", show_default=False)],
    note: Note,
    author: Author = "",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Erase the bytes and headers of everything that arrived for one account's payments. Audited.

    The payments, their amounts, ids and hashes stay.
    """
    if not yes:
        typer.confirm(f"Erase for good what arrived for the payments of {account}?", abort=True, err=True)
    with LedgerAccess.of(ledger, data_dir).client() as client:
        payments, erased, held = _erase(client, account, author=author or getpass.getuser(), note=note)
    if as_json:
        _print_json(payments=payments, erased=erased, held=held)
    else:
        typer.echo(f"{erased} deliveries of {payments} payments lost their bytes and headers.")
    if held:
        raise Failure(
            f"{len(held)} wait to be run through ingest again and keep theirs: {', '.join(held)}. "
            "Erase again when they have been."
        )


def reseal(*, ledger: Ledger = "", as_json: AsJson = False, data_dir: DataDirectory = Path(".autopay")) -> None:
    """Encrypt all stored bytes under the ledger's first key, so that every other key can go.

    Online, and as often as you like: first list the new key behind the old one everywhere, then make it the first, then
    reseal, then take the old one off the list.
    """
    with LedgerAccess.of(ledger, data_dir).client() as client:
        examined, resealed, unopenable, key_id = _reseal(client)
    if as_json:
        _print_json(examined=examined, resealed=resealed, unopenable=unopenable, key_id=key_id)
    else:
        typer.echo(f"{examined} deliveries looked at, {resealed} of them resealed under the key {key_id}.")
    if unopenable:
        raise Failure(f"{unopenable} are under a key that the ledger doesn't have: list it in LEDGER_BODY_KEYS.")


def _erase(client: LedgerClient, account: str, *, author: str, note: str) -> tuple[int, int, list[str]]:
    from autopay.ledger.v1 import ledger_pb2

    payments, erased = 0, 0
    held: dict[str, None] = {}
    request = ledger_pb2.EraseDeliveriesRequest(account=account, author=author, note=note)
    more = True
    while more:
        page: ledger_pb2.EraseDeliveriesResponse = client.call(
            "EraseDeliveries", request, repeat=True, timeout_s=_TIMEOUT_S
        )
        payments += page.payments
        erased += page.erased
        held.update(dict.fromkeys(page.held_ids))
        request.page_token = page.next_page_token
        more = bool(page.next_page_token)
    return payments, erased, list(held)


def _reseal(client: LedgerClient) -> tuple[int, int, int, str]:
    from autopay.ledger.v1 import ledger_pb2

    examined, resealed, unopenable = 0, 0, 0
    request = ledger_pb2.ResealDeliveriesRequest()
    while True:
        done: ledger_pb2.ResealDeliveriesResponse = client.call(
            "ResealDeliveries", request, repeat=True, timeout_s=_TIMEOUT_S
        )
        examined += done.examined
        resealed += done.resealed
        unopenable += done.unopenable
        request.after_id = done.last_id
        if not done.last_id:
            return examined, resealed, unopenable, done.key_id


def _print_json(**values: object) -> None:
    import json

    typer.echo(json.dumps(values))
