"""Verdicts: how a payment with labels counts, and what of that was added to the scorecard's evidence."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from services.insight.labels import Label
from services.insight.scorecard import Site


class Ruling(Struct, frozen=True, kw_only=True):
    """How a payment counts.

    Attributes:
        fraud: whether it was.
        site: what it added to the evidence, None where it was left out or its vector is of other features.
    """

    fraud: bool
    site: Site | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """A change of how a payment counts, decided once and for all: applied twice, the second time changes nothing.

    Attributes:
        ordinal: the place among all verdicts, from 1 on.
        before: how the payment counted, None where it didn't.
        after: how it counts from now on.
    """

    ordinal: int
    before: Ruling | None
    after: Ruling | None


class Case(Struct, frozen=True, kw_only=True):
    """A payment with labels, and what was known of it when it was learnt.

    Attributes:
        source: the payment's source.
        tx_id: its id within the source.
        sender: the paying account, empty where unknown.
        receiver: the paid account, empty where unknown.
        at_ms: when it was recorded, milliseconds since the Unix epoch.
        vector: its features, packed.
        labels: by their source.
        due_ms: when the latest label came, by the store's clock.
        verdict: the last one, None where there was none.
    """

    source: str
    tx_id: str
    sender: str
    receiver: str
    at_ms: int
    vector: bytes
    labels: Mapping[str, Label]
    due_ms: int = 0
    verdict: Verdict | None = None


class Judgement(Struct, frozen=True, kw_only=True):
    """What all verdicts up to one have taught, as it is saved.

    Attributes:
        ordinal: that of the last verdict in it.
        taught: how many verdicts have changed the evidence.
        unsolved: how many of them did since `steps_from` was solved.
        features: the version of the features that evidence and weights are of.
        evidence: the scorecard's, packed.
        weights: what all of it comes to, packed: what scores go by. Empty for the rules' own.
        steps_from: the weights by which payments are ruled now, packed, solved once in a number of verdicts. Empty for
            the rules' own.
    """

    ordinal: int = 0
    taught: int = 0
    unsolved: int = 0
    features: str = ""
    evidence: bytes = b""
    weights: bytes = b""
    steps_from: bytes = b""


NOTHING_JUDGED = Judgement()
