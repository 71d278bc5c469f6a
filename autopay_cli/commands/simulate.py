"""`autopay simulate`: a mock sender that knows what every answer must be."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autopay_cli import configured_sources, meshfile, screen
from autopay_cli.demonstration import WEBHOOK_PATH
from autopay_cli.failure import Failure
from autopay_cli.options import AsJson, DataDirectory
from autopay_cli.progress import Progress
from autopay_cli.scenarios import NativeSigner, Population, Scenario, Signer, Traffic, cases
from autopay_cli.sending import Outcome, Sender
from autopay_cli.tally import Tally

if TYPE_CHECKING:
    from autopay_cli.configured_sources import Party

_NATIVE = "autopay"


def simulate(
    *,
    provider: Annotated[str, typer.Option(help="Whose webhooks: any that `autopay conformance` knows.")] = _NATIVE,
    source: Annotated[
        str,
        typer.Option(
            help="Instead of a provider: a source that is configured here, with its options, URL and secrets.",
            show_default=False,
        ),
    ] = "",
    url: Annotated[str, typer.Option(help="Where to send. Default: the running mesh.", show_default=False)] = "",
    secret: Annotated[
        str,
        typer.Option(
            help="The source's secret. Default: the running mesh's, of another provider WEBHOOK_SECRET_<PROVIDER>.",
            show_default=False,
        ),
    ] = "",
    signed_url: Annotated[
        str, typer.Option(help="The URL, where the provider signs it and it is not --url.", show_default=False)
    ] = "",
    rate: Annotated[float, typer.Option(help="Deliveries a second; 0 is no limit. `burst` ignores it.", min=0)] = 100,
    count: Annotated[int, typer.Option(help="Deliveries in all, over all scenarios.", min=1)] = 210,
    concurrency: Annotated[int, typer.Option(help="Deliveries on their way at once.", min=1, max=2_000)] = 16,
    scenario: Annotated[
        str, typer.Option(help="Comma-separated choice of scenarios. Default: all that there are.", show_default=False)
    ] = "",
    seed: Annotated[
        int | None, typer.Option(help="Makes the same payments again (under new ids).", show_default=False)
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Send mock webhooks and check every answer; exit 1 when one is not the expected one.

    valid: fresh payments. duplicate: each sent three times, the same bytes and signed anew. conflict: the same id with
    another amount. bad-signature, stale: must be refused. malformed: rightly signed nonsense. burst: valid, as fast as
    the concurrency allows. life: a payment of another provider from its beginning to its end. What a third party sends
    and signs rightly is acknowledged, whatever became of it.
    """
    asked = _scenarios(scenario)
    if provider == _NATIVE and not source:
        mock = _native(url, secret, seed, data_dir)
    else:
        party, url = _party(provider, source, url, signed_url, data_dir)
        mock = _party_played(party, url, secret or _secret_of(party), seed)
    chosen = _possible(asked, mock.traffic.scenarios)
    tally = Tally()
    started = time.perf_counter()
    with Progress("sending", count, shown=not as_json) as progress:

        def note(outcome: Outcome) -> None:
            tally.add(outcome)
            progress.advance()

        sender = Sender(
            url=mock.url,
            signer=mock.signer,
            rate=rate,
            concurrency=concurrency,
            noted=note,
            acknowledgement=mock.acknowledgement,
        )
        asyncio.run(sender.send(cases(chosen, count, mock.traffic)))
    _show(tally, url=mock.url, duration_s=time.perf_counter() - started, as_json=as_json)
    if not tally.as_expected:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mock:
    """Who is played: what it sends, how it signs, where to, and all that a third party is told."""

    traffic: Traffic
    signer: Signer
    url: str
    acknowledgement: bytes | None = None


def _native(url: str, secret: str, seed: int | None, data_dir: Path) -> _Mock:
    if not url or not secret:
        mesh = meshfile.read(data_dir)
        url, secret = url or mesh.edge + WEBHOOK_PATH, secret or mesh.hmac_secret
    return _Mock(traffic=_population(seed), signer=NativeSigner(secret), url=url)


def _population(seed: int | None) -> Population:
    return Population(run=f"sim-{secrets.token_hex(4)}", seed=seed)


def _party(provider: str, source: str, url: str, signed_url: str, data_dir: Path) -> tuple[Party, str]:
    """Return who is played and where it sends to."""
    if source and provider != _NATIVE:
        raise Failure("give --provider or --source, not both.")
    party = configured_sources.of_source(source) if source else configured_sources.of_provider(provider)
    url = url or meshfile.read(data_dir).edge + party.path
    # What is configured has its own URL; another's is signed as it is reached.
    return party if source else configured_sources.of_provider(provider, url=signed_url or url), url


def _secret_of(party: Party) -> str:
    return party.secrets[0] if party.secrets else configured_sources.secret_of(party.name)


def _party_played(party: Party, url: str, secret: str, seed: int | None) -> _Mock:
    """Play whoever sends to a source.

    Raises:
        Failure: only the provider can sign, or the secret is none of its form.
    """
    from autopay_cli.provider_traffic import ProviderTraffic
    from autopay_cli.recipes.renaming import Renaming

    if party.provider.native:
        return _Mock(traffic=_population(seed), signer=NativeSigner(secret), url=url)
    traffic = ProviderTraffic(party.sample, secret, Renaming(party.sample, seed=seed))
    try:
        trial = traffic.request(traffic.deliveries(Scenario.VALID)[0], now_s=int(time.time()), previous=None)
    except ValueError as error:
        raise Failure(f"--secret can't be one of {party.name}'s: {error}.") from error
    if trial.chain:
        raise Failure(f"only {party.provider.name} itself can sign: its certificate is on a host of its own.")
    return _Mock(traffic=traffic, signer=traffic, url=url, acknowledgement=party.provider.acknowledgement.body)


def _scenarios(text: str) -> Sequence[Scenario]:
    try:
        return [Scenario(name.strip()) for name in text.split(",") if name.strip()]
    except ValueError as error:
        raise Failure(f"--scenario: {error}; the scenarios are {','.join(Scenario)}.") from error


def _possible(asked: Sequence[Scenario], possible: Sequence[Scenario]) -> Sequence[Scenario]:
    if missing := [each for each in asked if each not in possible]:
        raise Failure(f"--scenario: {missing[0]} is none of this sender's; they are {','.join(possible)}.")
    return asked or possible


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
