"""Explanations of payments: what is explained, in which words, and why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.insight.model import Level, Risk

TEXT_MAX: Final = 500
# The contract's words; actions from the mildest on.
CATEGORIES: Final = ("ordinary", "unusual_amount", "unusual_velocity", "new_counterparty", "possible_fraud")
ACTIONS: Final = ("none", "review", "contact_payer", "hold_for_review")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A payment to explain.

    Attributes:
        source: its source.
        tx_id: its id within the source.
        minor_units: its amount, None while unknown.
        currency: ISO 4217, empty while unknown.
        exponent: the currency's decimals.
        sender: the paying account, empty while unknown.
        receiver: the paid account, empty while unknown.
        status: where it stands, for example "success".
        events: the kinds of its events, for example "captured".
        flags: what a person should look at, for example "over_refund".
        description: free text from outside.
        recorded_at_ms: when the ledger recorded it, milliseconds since the Unix epoch.
        risk: as it was scored, None while unscored.
    """

    source: str
    tx_id: str
    minor_units: int | None = None
    currency: str = ""
    exponent: int = 0
    sender: str = ""
    receiver: str = ""
    status: str = ""
    events: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    description: str = ""
    recorded_at_ms: int = 0
    risk: Risk | None = None

    @property
    def level(self) -> Level:
        """The level of its risk, LOW while unscored."""
        return self.risk.level if self.risk is not None else Level.LOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An advisory analysis of a payment; it decides nothing.

    Attributes:
        source: who wrote it, "gemini" or "rules".
        summary: up to 500 characters.
        category: one of CATEGORIES.
        anomaly_assessment: up to 500 characters.
        recommended_action: one of ACTIONS.
        confidence: 0 to 1.
        model_version: the model that answered, empty for the rules.
    """

    source: str
    summary: str
    category: str
    anomaly_assessment: str
    recommended_action: str
    confidence: float
    model_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexplained:
    """Why there is no explanation; `final` where asking again about this payment can't help."""

    reason: str
    final: bool = False


Outcome = Explanation | Unexplained


def decimal(minor_units: int, exponent: int) -> str:
    """Return an amount in major units, exactly, for example "42.50"."""
    digits = str(abs(minor_units)).rjust(exponent + 1, "0")
    sign = "-" if minor_units < 0 else ""
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}" if exponent else f"{sign}{digits}"
