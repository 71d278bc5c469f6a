"""An account as it is remembered: as a sender, as a receiver, and how far learning got."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp
from typing import Final, Self
from zlib import crc32

from msgspec import Struct

from services.insight.memory import DAY_S, EMPTY, MONTH_S, WIDE, Mark, Prior, mark_of, unpack_source

# On a source's first day nobody has a rate of their own yet. Until then a sender's part of the source's traffic is no
# burst. A source's own traffic replaces the wide prior once it clearly outnumbers so many payments.
_POPULATION_WEIGHT: Final = 50.0
_JUDGED_WEIGHT: Final = 200.0
_WIDE_MEAN: Final = WIDE.mean
_WIDE_SQUARE: Final = _POPULATION_WEIGHT * WIDE.variance
_WIDE_DOLLARS: Final = _POPULATION_WEIGHT * WIDE.dollars
_WIDE_FRAUD: Final = _JUDGED_WEIGHT * WIDE.fraud


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileState:
    """A profile as it is stored: plain values, taken at one moment.

    Attributes:
        sequence: the ordinal of the last payment in it.
        judged: the ordinal of the last verdict in it.
        sends: its memory as a sender.
        receives: its memory as a receiver.
        stored: whether the store is known to have the account; it only makes saving cheaper, and is no part of it.
    """

    sequence: int = 0
    judged: int = 0
    sends: bytes = EMPTY
    receives: bytes = EMPTY
    stored: bool = field(default=True, compare=False)


UNKNOWN: Final = ProfileState(stored=False)


class Profile(Struct, kw_only=True, gc=False):
    """One account's memories. Changed by the learner alone; scoring only reads.

    Hundreds of thousands are in memory: none is looked at by the collector of cycles, for none can be part of one.

    Attributes:
        mark: the account's bits in who has met whom.
        fetched_s: when it was read, by the reader's own clock.
        sequence: as in `ProfileState`, here and below.
        judged: the ordinal of the last verdict.
        sends: its memory as a sender.
        receives: its memory as a receiver.
        stored: whether the store is known to have the account.
    """

    mark: Mark = mark_of(0)
    fetched_s: float = 0.0
    sequence: int = 0
    judged: int = 0
    sends: bytes = EMPTY
    receives: bytes = EMPTY
    stored: bool = False

    @classmethod
    def of(cls, key: str, state: ProfileState = UNKNOWN, *, fetched_s: float = 0.0) -> Self:
        """Return the profile under a key, empty or as stored."""
        return cls(
            mark=mark_of(crc32(key.encode())),
            fetched_s=fetched_s,
            sequence=state.sequence,
            judged=state.judged,
            sends=state.sends,
            receives=state.receives,
            stored=state.stored,
        )

    def state(self) -> ProfileState:
        """Return its values as they are now."""
        return ProfileState(
            sequence=self.sequence,
            judged=self.judged,
            sends=self.sends,
            receives=self.receives,
            stored=self.stored,
        )


def prior_of(population: Profile | None) -> Prior:
    """Return what a source's traffic leads to expect of a sender, itself shrunk to a wide prior.

    As of the source's last payment, so that a score depends on nothing but profiles and the payment scored.
    """
    if population is None:
        return WIDE
    # fmt: off
    (landmark_s, since_s, burst, burst_at_s, count_month, log_month, square_month, dollars_month, fraud_month,
     judged_month) = unpack_source(population.sends)
    # fmt: on
    if count_month <= 0.0:
        return WIDE
    decay = exp((landmark_s - burst_at_s) / MONTH_S) if landmark_s < burst_at_s else 1.0
    count = count_month * decay
    mean = log_month / count_month
    within = square_month * decay - count * mean * mean
    total = count + _POPULATION_WEIGHT
    beyond = mean - _WIDE_MEAN
    days = (burst_at_s - since_s) / DAY_S
    return Prior(
        (count * mean + _POPULATION_WEIGHT * _WIDE_MEAN) / total,
        ((max(0.0, within)) + _WIDE_SQUARE + count * _POPULATION_WEIGHT / total * beyond * beyond) / total,
        (dollars_month * decay + _WIDE_DOLLARS) / total,
        count,
        burst if days < 1.0 else 0.0,
        (fraud_month * decay + _WIDE_FRAUD) / (judged_month * decay + _JUDGED_WEIGHT),
        1.0 if days < 1.0 else min(days, 30.0),
    )
