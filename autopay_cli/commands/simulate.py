"""`autopay simulate`: a mock sender that knows what every answer must be."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from autopay_cli import meshfile, screen
from autopay_cli.demonstration import WEBHOOK_PATH
from autopay_cli.failure import Failure
from autopay_cli.options import AsJson, DataDirectory
from autopay_cli.progress import Progress
from autopay_cli.scenarios import Population, Scenario, cases
from autopay_cli.sending import Outcome, Sender
from autopay_cli.tally import Tally

_EVERY = ",".join(Scenario)


def simulate(
    *,
    url: Annotated[str, typer.Option(help="Where to send. Default: the running mesh.", show_default=False)] = "",
    secret: Annotated[
        str, typer.Option(help="The source's secret. Default: the running mesh's.", show_default=False)
    ] = "",
    rate: Annotated[float, typer.Option(help="Deliveries a second; 0 is no limit. `burst` ignores it.", min=0)] = 100,
    count: Annotated[int, typer.Option(help="Deliveries in all, over all scenarios.", min=1)] = 210,
    concurrency: Annotated[int, typer.Option(help="Deliveries on their way at once.", min=1, max=2_000)] = 16,
    scenario: Annotated[str, typer.Option(help="Comma-separated choice of scenarios.")] = _EVERY,
    seed: Annotated[
        int | None, typer.Option(help="Makes the same payments again (under new ids).", show_default=False)
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Send mock webhooks and check every answer; exit 1 when one is not the expected one.

    valid: fresh payments. duplicate: each sent three times, the same bytes and signed anew. conflict: the same id with
    another amount. bad-signature, stale: must be refused. malformed: rightly signed nonsense. burst: valid, as fast as
    the concurrency allows.
    """
    chosen = _scenarios(scenario)
    if not url or not secret:
        mesh = meshfile.read(data_dir)
        url, secret = url or mesh.edge + WEBHOOK_PATH, secret or mesh.hmac_secret
    population = Population(run=f"sim-{secrets.token_hex(4)}", seed=seed)
    tally = Tally()
    started = time.perf_counter()
    with Progress("sending", count, shown=not as_json) as progress:

        def note(outcome: Outcome) -> None:
            tally.add(outcome)
            progress.advance()

        sender = Sender(url=url, secret=secret, rate=rate, concurrency=concurrency, noted=note)
        asyncio.run(sender.send(cases(chosen, count, population)))
    _show(tally, url=url, duration_s=time.perf_counter() - started, as_json=as_json)
    if not tally.as_expected:
        raise typer.Exit(1)


def _scenarios(text: str) -> list[Scenario]:
    try:
        return [Scenario(name.strip()) for name in text.split(",") if name.strip()] or list(Scenario)
    except ValueError as error:
        raise Failure(f"--scenario: {error}; the scenarios are {_EVERY}.") from error


def _show(tally: Tally, *, url: str, duration_s: float, as_json: bool) -> None:
    report = tally.report(url=url, duration_s=duration_s)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    console = screen.console()
    console.print(tally.table())
    latency = ", ".join(f"{name} {value:.1f}" for name, value in report["latency_ms"].items())
    console.print(f"{report['sent']} deliveries in {duration_s:.1f} s ({report['rate_per_s']}/s), ms: {latency}")
    for example in report["unexpected"]:
        console.print(
            f"unexpected: {example['scenario']} got {example['got']} instead of {example['expected']} "
            f"(request {example['request_id'] or 'unknown'})",
            style="red",
        )
    if tally.as_expected:
        console.print("Every answer was the expected one.")
