"""The options by which `autopay tx` chooses payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from autopay_cli.payment_words import checked, instant

if TYPE_CHECKING:
    from autopay_client.requests import Filter, Selection

Source = Annotated[str, typer.Option("--source", help="Only this source.", show_default=False)]
Account = Annotated[str, typer.Option("--account", help="Only payments from or to this account.", show_default=False)]
Status = Annotated[
    str, typer.Option("--status", help="Only this status: success, refunded and so on.", show_default=False)
]
Currency = Annotated[str, typer.Option("--currency", help="Only this currency, ISO 4217.", show_default=False)]
Risk = Annotated[
    str, typer.Option("--risk", help="Only this risk level: low, medium, high, critical.", show_default=False)
]
Since = Annotated[
    str,
    typer.Option("--since", help="First recorded at or after this date or time, UTC.", show_default=False),
]
Until = Annotated[
    str, typer.Option("--until", help="First recorded before this date or time, UTC.", show_default=False)
]


def narrowing(*, source: str, status: str, currency: str, risk: str) -> Filter:
    """Return the conditions on a payment.

    Raises:
        Failure: a word is unknown.
    """
    from autopay_client.words import RISK_LEVEL, STATUS

    return {
        "source": source,
        "status": checked(status, STATUS, "--status"),
        "currency": currency,
        "risk_level": checked(risk, RISK_LEVEL, "--risk"),
    }


def selection(*, source: str, account: str, status: str, currency: str, risk: str, since: str, until: str) -> Selection:
    """Return which payments are listed.

    Raises:
        Failure: a word is unknown, or a time can't be read.
    """
    from autopay_client.words import RISK_LEVEL, STATUS

    return {
        "source": source,
        "account": account,
        "status": checked(status, STATUS, "--status"),
        "currency": currency,
        "risk_level": checked(risk, RISK_LEVEL, "--risk"),
        "since": instant(since, "--since"),
        "until": instant(until, "--until"),
    }
