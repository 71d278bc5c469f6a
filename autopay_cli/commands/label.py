"""`autopay label`: says what a payment turned out to be, so that the detector learns from it."""

from __future__ import annotations

import getpass
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from autopay_cli import payment_words, screen
from autopay_cli.failure import Failure
from autopay_cli.insight_access import Insight, InsightAccess
from autopay_cli.options import AsJson, DataDirectory

if TYPE_CHECKING:
    from autopay.insight.v1 import insight_pb2

_TIMEOUT_S: Final = 10.0


class Word(StrEnum):
    """What a payment turned out to be."""

    FRAUD = "fraud"
    LEGITIMATE = "legitimate"
    UNSURE = "unsure"


def label(
    tx_id: Annotated[str, typer.Argument(metavar="TX", help="The payment's id.", show_default=False)],
    word: Annotated[
        Word | None,
        typer.Argument(
            metavar="[fraud|legitimate|unsure]",
            help="What it turned out to be; unsure takes an earlier label back. Without it: show the labels there are.",
            show_default=False,
        ),
    ] = None,
    *,
    source: Annotated[str, typer.Option("--source", help="The source the payment came from.")] = "autopay",
    by: Annotated[str, typer.Option("--by", help="Who or what says so: each has one label of a payment.")] = "analyst",
    author: Annotated[
        str, typer.Option("--author", help="The person. Default: your user name.", show_default=False)
    ] = "",
    insight: Insight = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Say what a payment turned out to be: scores learn from it. Repeating it, or changing one's mind, is fine."""
    from autopay.insight.v1 import insight_pb2

    with InsightAccess.of(insight, data_dir).stub() as stub:
        changed = None
        if word is not None:
            request = insight_pb2.RecordLabelRequest(
                source=source,
                tx_id=tx_id,
                label=f"LABEL_{word.name}",
                label_source=by,
                author=author or _user_name(),
            )
            changed = stub.RecordLabel(request, timeout=_TIMEOUT_S).changed
        found = stub.GetLabels(insight_pb2.GetLabelsRequest(source=source, tx_id=tx_id), timeout=_TIMEOUT_S)
    told = _told(source, tx_id, found, changed=changed)
    if as_json:
        typer.echo(json.dumps(told))
        return
    _show(told)


def _told(source: str, tx_id: str, found: insight_pb2.GetLabelsResponse, *, changed: bool | None) -> dict[str, Any]:
    told: dict[str, Any] = {"source": source, "tx_id": tx_id}
    if changed is not None:
        told["changed"] = changed
    told["counts_as"] = _word(found.verdict) or None
    told["labels"] = [
        {
            "by": each.label_source,
            "label": _word(each.label),
            "author": each.author or None,
            "recorded_at": payment_words.time(each.recorded_at_ms),
        }
        for each in found.labels
    ]
    return told


def _word(number: insight_pb2.Label) -> str:
    from autopay.insight.v1 import insight_pb2

    return insight_pb2.Label.Name(number).removeprefix("LABEL_").lower() if number else ""


def _show(told: dict[str, Any]) -> None:
    from rich.table import Table

    console = screen.console()
    if "changed" in told:
        console.print("recorded" if told["changed"] else "nothing new: that is what it was labelled already")
    console.print(f"{told['source']}/{told['tx_id']} counts as {told['counts_as'] or 'nothing: nobody knows'}")
    if told["labels"]:
        table = Table()
        for heading in ("by", "label", "author", "recorded"):
            table.add_column(heading, overflow="fold")
        for each in told["labels"]:
            table.add_row(each["by"], each["label"], screen.plain(each["author"] or "–"), each["recorded_at"])
        console.print(table)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Failure("name the person with --author: this user has no name.") from None
