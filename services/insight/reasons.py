"""Sentences for reasons, told from the features alone: they hold figures, never an account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.insight.features import PLACE

_SENDER_STEPS: Final = PLACE["times_sender_1_2"]
_SOURCE_STEPS: Final = PLACE["times_source_1_2"]
_SHARE_PER_UNIT: Final = 0.2


def sentence_of(code: str, vector: Sequence[float]) -> str:
    """Return one sentence that says what was found."""
    return _SENTENCES[code](vector)


def _times(vector: Sequence[float], place: int) -> str:
    """Read a ratio back from its four steps."""
    low, words = 1.0, "the usual amount"
    for step in vector[place : place + 4]:
        if not step:
            break
        words = f"about {low * (1.0 + step):.1f} times" if step < 1.0 else f"more than {2 * low:.0f} times"
        low *= 2.0
    return words


def _amount(vector: Sequence[float]) -> str:
    z = vector[PLACE["amount_z"]]
    if vector[PLACE["no_history"]]:
        return f"The amount is {z:.1f} deviations above what is usual here, and the sender's history is unknown."
    if vector[_SENDER_STEPS]:
        return f"The amount is {_times(vector, _SENDER_STEPS)} what this sender usually pays."
    return f"The amount is {z:.1f} deviations above what this sender usually pays."


def _receiver_fraud(vector: Sequence[float]) -> str:
    week, month = (vector[PLACE[f"receiver_fraud_{memory}"]] * _SHARE_PER_UNIT for memory in ("week", "month"))
    return f"Of this receiver's judged payments about {max(week, month):.0%} more than usual were fraud lately."


def _sender_fraud(vector: Sequence[float]) -> str:
    share = vector[PLACE["sender_fraud_week"]] * _SHARE_PER_UNIT
    return f"Of this sender's judged payments about {share:.0%} more than usual were fraud lately."


_SENTENCES: Final[Mapping[str, Callable[[Sequence[float]], str]]] = {
    "AMOUNT_ABOVE_HISTORY": _amount,
    "AMOUNT_ABOVE_SOURCE": lambda vector: f"The amount is {_times(vector, _SOURCE_STEPS)} what is usual here.",
    "SPENDING_RISES": lambda _: "The sender's payments of this week differ from those of the month.",
    "VELOCITY": lambda vector: (
        "The sender makes unusually many payments within ten minutes: "
        f"{vector[PLACE['burst']] + 3.0:.0f} deviations above the usual number."
    ),
    "NO_HISTORY": lambda _: "Nothing is known of this sender's earlier payments.",
    "NEW_RECEIVER": lambda _: "The sender has not paid this receiver before, and mostly pays ones it knows.",
    "NEW_RECEIVERS": lambda vector: (
        "The sender pays unusually many new receivers within a day: "
        f"{vector[PLACE['new_receivers']] + 3.0:.0f} deviations above the usual number."
    ),
    "FAN_IN": lambda vector: (
        "Unusually many new senders pay this receiver within a day: "
        f"{vector[PLACE['fan_in']] + 3.0:.0f} deviations above the usual number."
    ),
    "ROUND_TRIP": lambda _: "The receiver has paid this sender before, and the amount is unusual.",
    "STRUCTURING": lambda vector: (
        "The sender repeats amounts just below a round one: "
        f"{vector[PLACE['structuring']] + 2.0:.0f} deviations more often than chance."
    ),
    "RECEIVER_FRAUD": _receiver_fraud,
    "SENDER_FRAUD": _sender_fraud,
}
