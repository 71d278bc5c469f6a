"""`autopay insight explain`: what a payment's score is made of, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autopay_cli import payment_words, screen
from autopay_cli.insight_access import Insight, InsightAccess
from autopay_cli.options import AsJson, DataDirectory

if TYPE_CHECKING:
    from autopay.insight.v1 import insight_pb2
    from rich.table import Table

_TIMEOUT_S: Final = 5.0
_NONE: Final = "No arithmetic: the payment has no amount, or what is known of its accounts can't be read now."


def explain(
    tx_id: Annotated[str, typer.Argument(metavar="TX", help="The payment's id.", show_default=False)],
    *,
    source: Annotated[str, typer.Option(help="The source it came from.")] = "autopay",
    insight: Insight = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Show a payment's explanation, and the arithmetic of its score: each feature times its weight, by reason."""
    from autopay.insight.v1 import insight_pb2

    with InsightAccess.of(insight, data_dir).stub() as stub:
        answer: insight_pb2.ExplainTransactionResponse = stub.ExplainTransaction(
            insight_pb2.ExplainTransactionRequest(source=source, tx_id=tx_id), timeout=_TIMEOUT_S
        )
    if as_json:
        typer.echo(payment_words.json_line(answer))
        return
    console = screen.console()
    console.print(_facts(answer))
    console.print(_table(answer.arithmetic) if answer.HasField("arithmetic") else _NONE)
    if answer.HasField("arithmetic"):
        console.print(_remark(answer))


def _facts(answer: insight_pb2.ExplainTransactionResponse) -> Table:
    from autopay_client.words import RISK_LEVEL
    from rich.table import Table

    said, risk = answer.explanation, answer.risk
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    scored = f"{risk.score:.4f}, {RISK_LEVEL.word(risk.level)}, by model {risk.model_version}"
    facts.add_row("recorded score", scored if answer.HasField("risk") else "none")
    for reason in risk.reasons:
        facts.add_row("", screen.plain(f"{reason.code} {reason.contribution:+.4f}: {reason.sentence}"))
    facts.add_row("summary", screen.plain(said.summary))
    facts.add_row("assessment", screen.plain(said.anomaly_assessment))
    facts.add_row("advice", f"{said.recommended_action}, {said.category}; confidence {said.confidence:.2f}")
    facts.add_row("told by", f"{said.source} {said.model_version}".rstrip())
    return facts


def _table(arithmetic: insight_pb2.Arithmetic) -> Table:
    """Lay out base, terms by reason with the weightiest reason first, and their sum."""
    from rich.table import Table

    table = Table()
    for heading in ("reason", "feature", "value", "weight", "points"):
        table.add_column(heading, justify="left" if heading in {"reason", "feature"} else "right")
    table.add_row("", "base", "", "", f"{arithmetic.base:+.3f}")
    of_reason: dict[str, list[insight_pb2.ArithmeticTerm]] = {}
    for term in arithmetic.terms:
        of_reason.setdefault(term.reason, []).append(term)
    for reason, terms in sorted(of_reason.items(), key=lambda each: -abs(sum(term.points for term in each[1]))):
        for place, term in enumerate(terms):
            figures = (f"{term.value:.4g}", f"{term.weight:.4g}", f"{term.points:+.3f}")
            table.add_row("" if place else reason, term.feature, *figures)
    table.add_row("sum", "", "", "", f"{arithmetic.points:+.3f}")
    return table


def _remark(answer: insight_pb2.ExplainTransactionResponse) -> str:
    from autopay.insight.v1 import insight_pb2

    arithmetic = answer.arithmetic
    formula = f"1 / (1 + exp({-arithmetic.points:.3f})) = {arithmetic.score:.4f}, by model {arithmetic.model_version}"
    if arithmetic.basis == insight_pb2.ARITHMETIC_BASIS_STORED:
        return f"{formula}, of the features the payment was learnt with."
    return f"{formula}, of what is known of its accounts now."
