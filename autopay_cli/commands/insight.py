"""`autopay insight`: what the detector knows, and how good it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from autopay_cli import history as histories
from autopay_cli import invented, replaying
from autopay_cli.commands.insight_explain import explain
from autopay_cli.commands.insight_export import export
from autopay_cli.failure import Failure
from autopay_cli.progress import Progress
from autopay_cli.replaying import Window

_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_duration = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII).fullmatch
_COLUMNS: Final = ("time", "sender", "receiver", "amount", "label")
_DAY_MS: Final = 86_400_000


def commands() -> typer.Typer:
    """Return the commands."""
    group = typer.Typer(help="What the detector knows, and how good it is.", no_args_is_help=True)
    group.command("explain")(explain)
    group.command("export")(export)
    group.command("replay")(replay)
    group.command("invent")(invent)
    return group


def replay(
    *,
    file: Annotated[Path, typer.Argument(help="A labelled history, .csv or .npz.", exists=True, dir_okay=False)],
    label_delay: Annotated[str, typer.Option(help="When a payment's label is known: 7d, 12h, 0s.")] = "7d",
    out: Annotated[Path | None, typer.Option(help="Where the scores go, one row per row of the file.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="What a column is called, for example sender=customer_id; repeat for more."),
    ] = None,
    first_day: Annotated[int | None, typer.Option(help="Evaluate from this day on, in days since the epoch.")] = None,
    last_day: Annotated[int | None, typer.Option(help="Evaluate up to this day.")] = None,
    known_days: Annotated[
        int,
        typer.Option(help="Leave out senders with a fraud known by then, from so many days before; -1 keeps all."),
    ] = 7,
    k: Annotated[int, typer.Option(help="How many are looked at in a day.", min=1)] = 100,
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="Whether labels teach.")] = True,
    model: Annotated[
        Path | None,
        typer.Option(help="An exported model, whose weights are held still: with --no-labels.", exists=True),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Stream a labelled history through the detector, in order of time, each payment scored before it is learnt."""
    if model is not None and labels:
        raise Failure("--model holds an exported model's weights still: add --no-labels.")
    delay_ms = _delay_ms(label_delay)
    options = replaying.options(label_delay_ms=delay_ms, labels=labels, model=model)
    history = histories.read(file, _names(column or []))
    if not len(history):
        raise Failure(f"{file}: no row.")
    with Progress("replaying", len(history), shown=True) as progress:
        scores, taken_s = replaying.replay(history, options, progress=progress)
    if out is not None:
        replaying.write_scores(out, scores)
    # Without days named: everything after the first labels could have taught something.
    first, last = min(history.at_ms) // _DAY_MS, max(history.at_ms) // _DAY_MS
    window = Window(
        first_day=first_day if first_day is not None else min(first + 2 * (delay_ms // _DAY_MS), last),
        last_day=last_day if last_day is not None else last,
        known_days=None if known_days < 0 else known_days,
        k=k,
    )
    figures: dict[str, Any] = replaying.evaluate(history, scores, window, label_delay_ms=delay_ms)
    figures["transactions"] = len(history)
    figures["transactions_per_cpu_second"] = round(len(history) / max(taken_s, 1e-9))
    if any(history.kind):
        figures["caught_at_1_percent"] = replaying.caught_by_kind(history, scores, window)
    _print(figures, as_json=as_json)


def invent(
    *,
    out: Annotated[Path, typer.Option(help="The CSV file.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same history.")] = 1,
    days: Annotated[int, typer.Option(help="How long it is.", min=4, max=1_000)] = 60,
    senders: Annotated[int, typer.Option(help="How many people pay.", min=60, max=1_000_000)] = 1_500,
    attacks: Annotated[int, typer.Option(help="How many frauds of each kind.", min=1, max=100_000)] = 60,
) -> None:
    """Invent a labelled history with bursts, drains, fan-in and structuring, for `autopay insight replay`."""
    rows = invented.invent(invented.Plan(seed=seed, days=days, senders=senders, attacks=attacks))
    invented.write(out, rows)
    typer.echo(f"{len(rows):,} payments, {sum(row.label for row in rows):,} of them fraud.")


def _print(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps(figures))
        return
    bands = figures.pop("reliability")
    caught = figures.pop("caught_at_1_percent", {})
    for name, value in figures.items():
        shown = (
            f"{value:.4f}"
            if isinstance(value, float)
            else f"{value[0]} to {value[1]}"
            if isinstance(value, list)
            else f"{value:,}"
        )
        typer.echo(f"{name.replace('_', ' '):32}{shown}")
    for band in bands:
        shares = f"foretold {band['score']:.4f}, fraud {band['fraud']:.4f}"
        typer.echo(f"{'scores from ' + format(band['low'], 'g'):32}{band['payments']:,} payments, {shares}")
    for kind, recall in caught.items():
        typer.echo(f"{'caught at 1 %, ' + kind:34}{recall:.3f}")


def _delay_ms(word: str) -> int:
    found = _duration(word)
    if found is None:
        raise Failure(f"--label-delay {word}: say 7d, 12h, 30m or 0s.")
    return int(found[1]) * _UNITS_MS[found[2]]


def _names(words: list[str]) -> dict[str, str]:
    names = {}
    for word in words:
        what, separator, name = word.partition("=")
        if what not in _COLUMNS or not separator or not name:
            raise Failure(f"--column {word}: say one of {', '.join(_COLUMNS)}, =, and the column's name.")
        names[what] = name
    return names
