"""What was sent and what came back: every fact about a payment with each attempt to deliver it, bytes and all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import Final

# No answer at all: the connection broke, or nobody answered in time.
BROKEN: Final = 0
ACCEPTED: Final = 200
NOT_DURABLE: Final = 503
# What the README says a webhook may be refused with. Whatever was only ever refused must leave no trace.
REFUSALS: Final = frozenset({403, 408, 409, 413, 415, 422, 429})


class Sort(Enum):
    """Who sends a fact: somebody honest, somebody without the secret, or somebody whose fields are wrong."""

    HONEST = "honest"
    FORGED = "forged"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One delivery and its answer.

    Attributes:
        body: the exact bytes.
        sent_s: when it was sent, by the monotonic clock.
        answered_s: when the answer was there, or it was clear that there will be none.
        status: the HTTP status, `BROKEN` where there was none.
        word: the body's `status` of what was accepted, its `reason` otherwise, or the name of what broke.
        asks_again: whether it is a 503 with Retry-After.
    """

    body: bytes
    sent_s: float
    answered_s: float
    status: int
    word: str = ""
    asks_again: bool = False


@dataclass(slots=True, kw_only=True)
class Fact:
    """One event of a payment as its sender knows it.

    Attributes:
        tx_id: the payment.
        event_id: the event.
        kind: its native status.
        minor_units: its amount.
        sort: who sends it.
        attempts: every delivery of it.
    """

    tx_id: str
    event_id: str
    kind: str
    minor_units: int
    sort: Sort = Sort.HONEST
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        """Whether any delivery of it was answered with a 2xx."""
        return any(attempt.status == ACCEPTED for attempt in self.attempts)

    @property
    def is_refused(self) -> bool:
        """Whether every delivery of it was refused, so that nothing of it may be stored."""
        return bool(self.attempts) and all(attempt.status in REFUSALS for attempt in self.attempts)


class History:
    """Every fact of one scenario, by payment."""

    def __init__(self) -> None:
        """Begin empty."""
        self._facts: dict[str, list[Fact]] = {}

    def add(self, fact: Fact) -> Fact:
        """Remember a fact that is about to be sent; return it."""
        self._facts.setdefault(fact.tx_id, []).append(fact)
        return fact

    def __iter__(self) -> Iterator[Fact]:
        return (fact for facts in self._facts.values() for fact in facts)

    @property
    def tx_ids(self) -> list[str]:
        """Every payment, in the order in which they began."""
        return list(self._facts)

    def of(self, tx_id: str) -> list[Fact]:
        """Return the facts of a payment."""
        return self._facts.get(tx_id, [])

    @property
    def attempts(self) -> list[Attempt]:
        """Every delivery."""
        return [attempt for fact in self for attempt in fact.attempts]

    def answers(self) -> Counter[int]:
        """Return how often each status was answered."""
        return Counter(attempt.status for attempt in self.attempts)

    def first_accepted_s(self, since_s: float) -> float | None:
        """Return when the first 2xx came to a delivery sent after a moment, None where none came."""
        return min(
            (each.answered_s for each in self.attempts if each.status == ACCEPTED and each.sent_s >= since_s),
            default=None,
        )

    def silence_s(self) -> float:
        """Return the longest time between one 2xx and the next."""
        times = sorted(attempt.answered_s for attempt in self.attempts if attempt.status == ACCEPTED)
        return max((after - before for before, after in pairwise(times)), default=0.0)


def expected_status(kinds: Iterable[str]) -> str:
    """Return where a payment stands that has these facts, by the product's rules and not by the ledger's code."""
    known = set(kinds)
    if "refunded" in known and "captured" in known:
        return "partially_refunded"
    return "success" if "captured" in known else "pending"
