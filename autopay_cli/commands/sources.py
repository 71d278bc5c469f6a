"""`autopay sources`: which sources there are, which secrets they have, and what is wrong with them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from autopay_cli import configured_sources, screen
from autopay_cli.failure import Failure
from autopay_cli.options import AsJson

if TYPE_CHECKING:
    from edge.settings import EdgeSettings
    from edge.sources import Keys
    from providers.contract import Secret
    from providers.sources import Configured


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One source, without any secret.

    Attributes:
        source: its name.
        provider: its provider's.
        path: where its webhooks are sent to.
        url: the URL that its provider signs, empty where none is configured.
        mode: live, test or any.
        keys: the ids of its active secrets.
        declared: whether the sources file names it.
    """

    source: str
    provider: str
    path: str
    url: str
    mode: str
    keys: Sequence[str]
    declared: bool

    @property
    def on(self) -> bool:
        """Whether it takes webhooks."""
        return bool(self.keys)


def commands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="The sources as the edge would start with them here and now.")
    group.command("list")(list_sources)
    group.command("check")(check)
    return group


def list_sources(*, as_json: AsJson = False) -> None:
    """List every source: its provider, its path, and the ids of its secrets. Shows no secret.

    Reads the variables the edge reads (and .env, as `autopay up` does), the sources file and the directory of secrets.
    """
    _, known, keyring = configured_sources.load()
    rows = list(_rows(known, configured_sources.keys_of(keyring)))
    if as_json:
        typer.echo(json.dumps([{**asdict(row), "on": row.on} for row in rows], indent=2))
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("source", "", "provider", "path", "mode", "keys"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        state = "on" if row.on else "off"
        table.add_row(row.source, state, row.provider, row.path, row.mode, ", ".join(row.keys) or "–")
    screen.console().print(table)


def check(*, as_json: AsJson = False) -> None:
    """Say in a sentence each what is wrong with the sources and their secrets; exit 1 when something is."""
    try:
        settings, known, keyring = configured_sources.load()
        keys = configured_sources.keys_of(keyring)
        wrong = list(_wrong(settings, known, keys))
    except Failure as failure:
        # The edge would refuse to start with this.
        wrong, keys = [str(failure)], None
    if as_json:
        typer.echo(json.dumps({"wrong": wrong}, indent=2))
    else:
        for sentence in wrong:
            typer.echo(sentence)
        if keys is not None and not wrong:
            active = [f"{name} ({len(given)})" for name, given in sorted(keys.secrets.items()) if given]
            typer.echo(f"Nothing is wrong. Active, with so many secrets: {', '.join(active)}.")
    if wrong:
        raise typer.Exit(1)


def _rows(known: dict[str, Configured], keys: Keys) -> Iterator[Row]:
    from providers.sources import path_of

    modes = {None: "any", True: "live", False: "test"}
    for name, each in sorted(known.items()):
        yield Row(
            source=name,
            provider=each.provider.name,
            path=path_of(name),
            url=each.options.url,
            mode=modes[each.options.live],
            keys=[secret.key_id for secret in keys.secrets.get(name, ())],
            declared=each.declared,
        )


def _wrong(settings: EdgeSettings, known: dict[str, Configured], keys: Keys) -> Iterator[str]:
    from providers.sources import variable_of

    for name, each in sorted(known.items()):
        if each.declared and not keys.secrets.get(name):
            place = f"WEBHOOK_SECRET_{variable_of(name)}"
            if settings.secrets_dir is not None:
                place += f" or put a file into {settings.secrets_dir / name}"
            yield f"The source {name} is in the file and has no secret, so it answers 404: set {place}."
        for secret in keys.secrets.get(name, ()):
            if not _verifies(each, secret):
                yield f"The secret {secret.key_id} of {name} verifies nothing: {each.provider.name} gives none like it."
    for name in keys.unknown:
        yield f"The directory {name} of EDGE_SECRETS_DIR is named like no source, so nothing in it verifies anything."
    if not any(keys.secrets.values()):
        yield "No source has a secret, so every webhook is answered 404: set HMAC_SECRET_KEY for the native one."


def _verifies(source: Configured, secret: Secret) -> bool:
    """Tell whether a delivery that is signed with the secret passes; True where only the provider itself can sign."""
    from multidict import CIMultiDict

    from providers.contract import Certified, Refused, Window

    provider, now_s = source.provider, int(time.time())
    # What `hmac` means where no file says so is nothing, and `problem` says that.
    if isinstance(provider, Certified) or source.problem:
        return True
    try:
        sample = configured_sources.sample_of(source)
    except Failure:
        return True
    try:
        request = sample.recipe.sign(sample.body, secret.value, at=now_s)
        provider.verify(request.body, CIMultiDict(request.headers), [secret], now_s=now_s, window=Window())
    except (Refused, ValueError):
        return False
    return True
