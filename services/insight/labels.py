"""Labels: what payments turned out to be, who says so, and which of several counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

from msgspec import Struct

# Labels of disputes have the source `dispute:<the payment's source>`: a name that nobody who states labels can have.
DISPUTE: Final = "dispute:"


class Label(IntEnum):
    """What a payment turned out to be; numbers of autopay.insight.v1.Label."""

    FRAUD = 1
    LEGITIMATE = 2
    UNSURE = 3


class Stated(Struct, frozen=True, kw_only=True):
    """One source's label of a payment.

    Attributes:
        label: what it turned out to be; UNSURE says nothing, and takes back what the source said before.
        author: the person, empty where it is no person's.
        at_ms: when it was stated, by the store's clock, milliseconds since the Unix epoch.
    """

    label: Label
    author: str = ""
    at_ms: int = 0


class Dispute(Struct, frozen=True, kw_only=True):
    """What a change of the feed says about a payment by way of a dispute.

    Attributes:
        source: the payment's.
        tx_id: the payment's id within it.
        version: the payment's, so that a change read again never undoes a later one.
        label: FRAUD, or UNSURE where the dispute is over and takes its label back.
    """

    source: str
    tx_id: str
    version: int
    label: Label


class Turn(IntEnum):
    """The events of a dispute; numbers of autopay.type.v1.EventKind."""

    OPENED = 9
    WON = 10
    LOST = 11


# In the order of autopay.type.v1.DisputeReason, whose numbers begin at 1.
_REASONS: Final = (
    *("fraud", "unrecognized", "not_received", "not_as_described", "credit_not_processed", "duplicate"),
    *("canceled", "wrong_amount", "processing", "other"),
)


def reasons_of(text: str) -> frozenset[int]:
    """Return the numbers of reasons that a setting lists, separated by commas.

    Raises:
        ValueError: one is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in _REASONS:
            raise ValueError(f"{word!r} is none of {', '.join(_REASONS)}")
    return frozenset(_REASONS.index(word) + 1 for word in words)


def label_of_dispute(
    events: Iterable[tuple[int, int]], *, disputed: bool, fraud_reasons: frozenset[int]
) -> Label | None:
    """Return what a change of a payment says of it, None where it says nothing.

    A dispute that was won, or that a refund ended, takes its label back and doesn't say that the payment was
    legitimate: it may have been given back because it wasn't.

    Args:
        events: kind and dispute reason, in the contract's numbers, of what the change added.
        disputed: whether the payment has a dispute that is open or lost, all its events taken together; one that was
            opened in an event that came late may be over.
        fraud_reasons: the reasons that mean fraud.
    """
    label = None
    for kind, reason in events:
        if disputed and kind in {Turn.OPENED, Turn.LOST} and reason in fraud_reasons:
            return Label.FRAUD
        if not disputed and kind == Turn.WON:
            label = Label.UNSURE
    return label


def verdict_of(labels: Mapping[str, Label]) -> bool | None:
    """Return whether a payment counts as fraud, None where nothing is known.

    What people and systems state counts before what a dispute says, and of several fraud before legitimate. So the
    order in which labels came makes no difference.
    """
    disputes = [label for source, label in labels.items() if source.startswith(DISPUTE)]
    stated = [label for source, label in labels.items() if not source.startswith(DISPUTE)]
    for group in (stated, disputes):
        if Label.FRAUD in group:
            return True
        if Label.LEGITIMATE in group:
            return False
    return None
