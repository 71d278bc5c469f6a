"""`autopay tx`: what the ledger recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autopay_cli import ledger_reading, meshfile, own_identity, screen
from autopay_cli.options import AsJson, DataDirectory

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2

Ledger = Annotated[
    str, typer.Option("--ledger", help="The ledger's HOST:PORT. Default: the running mesh's.", show_default=False)
]


def commands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Read payments from the ledger.")
    group.command("get")(get)
    group.command("list")(list_newest)
    return group


def get(
    tx_id: Annotated[str, typer.Argument(metavar="TX", help="The payment's id.", show_default=False)],
    *,
    source: Annotated[str, typer.Option(help="The source it came from.")] = "autopay",
    full: Annotated[bool, typer.Option("--full", help="With its single events. Audited.")] = False,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Show one payment."""
    target = ledger or meshfile.read(data_dir).ledger
    payment = ledger_reading.get(target, source=source, tx_id=tx_id, full=full, identity=own_identity.find(data_dir))
    if as_json:
        typer.echo(_json([payment])[0])
        return
    _show_one(payment)


def list_newest(
    *,
    source: Annotated[str, typer.Option(help="Only this source. Default: all.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(help="The most payments shown.", min=1, max=10_000)] = 20,
    ledger: Ledger = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """List payments, newest first."""
    target = ledger or meshfile.read(data_dir).ledger
    payments = ledger_reading.newest(target, source=source, limit=limit, identity=own_identity.find(data_dir))
    if as_json:
        # One per line, so that a script can take them one by one.
        for line in _json(payments):
            typer.echo(line)
        return
    from rich.table import Table

    table = Table()
    for heading in ("recorded", "source", "payment", "status", "amount", "from", "to", "risk", "version"):
        table.add_column(heading, justify="right" if heading in {"amount", "version"} else "left")
    for each in payments:
        table.add_row(
            _time(each.recorded_at_ms),
            each.source,
            each.tx_id,
            _status(each),
            ledger_reading.money(each.amount),
            each.sender_account,
            each.receiver_account,
            _risk(each),
            str(each.version),
        )
    screen.console().print(table if payments else "The ledger holds no such payment.")


def _show_one(payment: ledger_pb2.Transaction) -> None:
    from rich.table import Table

    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    facts.add_row("payment", f"{payment.source}/{payment.tx_id}, version {payment.version}")
    facts.add_row("status", _status(payment))
    facts.add_row("amount", ledger_reading.money(payment.amount))
    facts.add_row("accounts", f"{payment.sender_account or '–'} → {payment.receiver_account or '–'}")
    facts.add_row("risk", _risk(payment))
    for reason in payment.risk.reasons:
        facts.add_row("", f"{reason.code}: {reason.sentence}")
    facts.add_row("recorded", _time(payment.recorded_at_ms))
    facts.add_row("events", str(payment.event_count))
    if payment.description:
        facts.add_row("description", payment.description)
    console = screen.console()
    console.print(facts)
    if payment.events:
        console.print(_events(payment))


def _events(payment: ledger_pb2.Transaction) -> object:
    from autopay.ledger.v1 import ledger_pb2
    from autopay.type.v1 import payment_pb2
    from rich.table import Table

    table = Table()
    for heading in ("recorded", "event", "kind", "amount", "outcome", "delivery"):
        table.add_column(heading, overflow="fold")
    for each in payment.events:
        table.add_row(
            _time(each.recorded_at_ms),
            each.event.event_id,
            _word(payment_pb2.EventKind.Name(each.event.kind), "EVENT_KIND_"),
            ledger_reading.money(each.event.amount),
            _word(ledger_pb2.Outcome.Name(each.outcome), "OUTCOME_"),
            each.delivery,
        )
    return table


def _status(payment: ledger_pb2.Transaction) -> str:
    from autopay.type.v1 import payment_pb2

    return _word(payment_pb2.PaymentStatus.Name(payment.status), "PAYMENT_STATUS_")


def _risk(payment: ledger_pb2.Transaction) -> str:
    from autopay.type.v1 import risk_pb2

    if not payment.HasField("risk"):
        return "not scored"
    level = _word(risk_pb2.RiskLevel.Name(payment.risk.level), "RISK_LEVEL_")
    return f"{level} ({payment.risk.score:.2f})"


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _json(payments: object) -> list[str]:
    from google.protobuf.json_format import MessageToJson

    return [MessageToJson(each, preserving_proto_field_name=True, indent=None) for each in payments]  # type: ignore[attr-defined]
