"""A correction: what a person decided about facts that contradicted each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What makes an event a correction: a person's word that overrides what the payment held before.

    Attributes:
        author: who decided.
        note: why.
        of: the id under which the accepted facts arrived; that event coming again is known.
        replaces: the ids of the events that no longer count.
        rank: 1 for a payment's first correction; of two that state the same fact the higher rank holds.
    """

    author: str
    note: str
    of: str
    replaces: tuple[str, ...]
    rank: int
