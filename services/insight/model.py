"""Insight's own words: the payment to rate, the risk it carries, and what the ledger's feed tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec import field as struct_field

from services.insight.labels import Dispute
from services.insight.verdicts import NOTHING_JUDGED, Judgement


class Level(IntEnum):
    """A score in words; numbers of autopay.type.v1.RiskLevel."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Payment(NamedTuple):
    """What the detector sees of one payment event; a tuple, because two are made for every webhook.

    Attributes:
        source: the namespace of the accounts.
        tx_id: the payment's id within its source.
        sender: the paying account, empty where unknown.
        receiver: the paid account, empty where unknown.
        minor_units: the exact amount, 0 where the event carries none.
        currency: the ISO 4217 code, empty without an amount.
        at_ms: when it was received or recorded, by our clocks, milliseconds since the Unix epoch.
    """

    source: str
    tx_id: str
    sender: str
    receiver: str
    minor_units: int
    currency: str
    at_ms: int


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """One ground for a score; the sentence holds figures, never an account or other personal value.

    Attributes:
        code: stable, for machines.
        sentence: one sentence for a person.
        contribution: how much it added to the score, 0 to 1.
        evidence: the figures behind the sentence.
    """

    code: str
    sentence: str
    contribution: float
    evidence: Mapping[str, str] = struct_field(default_factory=dict)


class Risk(Struct, frozen=True, kw_only=True, gc=False):
    """A score from 0 to 1, its level, and the reasons with the weightiest first.

    Attributes:
        score: the score.
        level: in words.
        reasons: the grounds.
        model_version: which model scored, of a stored risk; one that is made now is of the present model.
    """

    score: float
    level: Level
    reasons: tuple[Reason, ...] = ()
    model_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Consecutive changes of the ledger's feed; a heartbeat has none.

    Attributes:
        changes: how many there were.
        payments: the payments that they opened, in order: what teaches. An update, a refund or a dispute states no new
            payment.
        token: resumes the feed after them.
        disputes: what they say of payments by way of disputes, in order.
    """

    changes: int
    payments: Sequence[Payment]
    token: str
    disputes: Sequence[Dispute] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the feed and the labels have been learnt.

    Attributes:
        token: resumes the feed after the last change read, empty where there is none.
        sequence: the ordinal of the last new payment up to there. It follows from the feed alone: a payment read
            again after a crash gets the number it had, so that a profile knows whether it already contains it.
        judgement: what the verdicts up to there have taught.
    """

    token: str
    sequence: int
    judgement: Judgement = NOTHING_JUDGED
