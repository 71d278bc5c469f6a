"""`autopay conformance`: does a receiver of webhooks accept what it must, and refuse everything else?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from autopay_cli import configured_sources, screen
from autopay_cli.failure import Failure
from autopay_cli.options import AsJson

if TYPE_CHECKING:
    from autopay_cli.configured_sources import Party
    from autopay_cli.conformance.asking import Result


def conformance(
    url: Annotated[str, typer.Argument(help="The receiver, http://HOST:PORT/PATH.", show_default=False)],
    *,
    provider: Annotated[str, typer.Option(help="Whose webhooks it receives.", show_default=False)] = "",
    source: Annotated[
        str,
        typer.Option(
            help="Instead of a provider: a source that is configured here, with its options, URL and secrets.",
            show_default=False,
        ),
    ] = "",
    secret: Annotated[
        str,
        typer.Option(
            help="The receiver's secret; two with a comma between them, the new one first, while one replaces another.",
            show_default=False,
        ),
    ] = "",
    signed_url: Annotated[
        str,
        typer.Option(help="The URL that is signed, where a provider signs it and it is not URL.", show_default=False),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Send a receiver the cases that tell a good one from a bad one; exit 1 on any unexpected answer.

    Valid and rotated deliveries must be accepted (2xx). Tampered, truncated, re-encoded, unsigned, stale, future and
    doubly signed ones must be refused (4xx), and so must foreign secrets, other algorithms and garbage. Nothing may be
    a server's error. The deliveries are ordinary payments of the provider: send them to a test system.
    """
    if bool(provider) == bool(source):
        raise Failure("give --provider, or --source for one that is configured here.")
    party = (
        configured_sources.of_source(source)
        if source
        else configured_sources.of_provider(provider, url=signed_url or url)
    )
    results = _results(url, party, [part.strip() for part in secret.split(",") if part.strip()] or party.secrets)
    unexpected = [result for result in results if not result.ok]
    if as_json:
        report = {
            "url": url,
            "provider": party.sample.provider,
            "ok": not unexpected,
            "cases": [asdict(each) for each in results],
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(results)
    if unexpected:
        raise typer.Exit(1)


def _results(url: str, party: Party, secrets: Sequence[str]) -> Sequence[Result]:
    from autopay_cli.conformance.asking import ask
    from autopay_cli.conformance.cases import cases

    if not secrets:
        raise Failure("--secret is empty: give the secret that the receiver verifies with.")
    try:
        prepared = cases(party.sample, secrets, now_s=int(time.time()), kept_headers=party.provider.kept_headers)
    except ValueError as error:
        raise Failure(f"--secret can't be one of {party.name}'s: {error}.") from error
    return asyncio.run(ask(url, prepared))


def _show(results: Sequence[Result]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("case", "must be", "got", ""):
        table.add_column(heading, overflow="fold")
    for result in results:
        if result.skipped:
            table.add_row(result.case, result.expected, "–", Text(f"skipped: {result.skipped}", style="dim"))
        else:
            mark = Text("ok", style="green") if result.ok else Text("unexpected", style="red")
            table.add_row(result.case, result.expected, result.got, mark)
    console = screen.console()
    console.print(table)
    unexpected = sum(not result.ok for result in results)
    sent = sum(not result.skipped for result in results)
    console.print(
        f"{sent} cases sent, {unexpected} answered otherwise than they must be."
        if unexpected
        else f"{sent} cases sent, every answer as it must be."
    )
