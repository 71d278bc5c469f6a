"""What is remembered of an account: exponentially decayed sums over one, seven and thirty days.

The sums use forward decay (Cormode, Shkapenyuk, Srivastava and Xu, "Forward decay", ICDE 2009): a payment
enters with weight exp((t - landmark) / tau), so that adding costs the same however old the profile is, and
payments may arrive out of order. The landmark moves up before the weights get large.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import exp, sqrt
from typing import Final

DAY_S: Final = 86_400.0
# The memories' time constants: a payment's weight falls to 1/e after so long.
MEMORIES_S: Final = (DAY_S, 7 * DAY_S, 30 * DAY_S)
BURST_S: Final = 600.0
# Weights of the shortest memory reach e^30, far from any limit of a double.
_REBASE_S: Final = 30 * DAY_S

# Places in `sums`, per memory.
COUNT, LOG, LOG_SQUARED, AMOUNT, AMOUNT_SQUARED, SUMS_PER_MEMORY = range(6)
DAY: Final = 0
WEEK: Final = SUMS_PER_MEMORY
MONTH: Final = 2 * SUMS_PER_MEMORY
_SUMS: Final = SUMS_PER_MEMORY * len(MEMORIES_S)
_ZEROS: Final = (0.0,) * _SUMS

# A sender's own spread is shrunk towards half the population's as if seen so many times.
_SPREAD_WEIGHT: Final = 4.0
_VARIANCE_MIN: Final = 0.05
# On a source's first day nobody has a rate of their own yet. Until then this part of the source's traffic is no burst.
_SHARE: Final = 0.02
# A source's own traffic replaces the wide prior once it clearly outnumbers so many payments.
_POPULATION_WEIGHT: Final = 50.0
# Beyond so many standard deviations an amount teaches no more than one at that distance.
WINSOR_Z: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is expected of a payment before anything is known of its sender.

    Attributes:
        mean: of the log amount.
        variance: of the log amount.
        usual_burst: so many payments of a sender within ten minutes are nothing special here.
    """

    mean: float
    variance: float
    usual_burst: float = 0.0


# Deliberately wide: from cents to tens of thousands of dollars.
WIDE: Final = Prior(mean=4.0, variance=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileState:
    """A profile as it is stored: plain values, taken at one moment.

    Attributes:
        sequence: the ordinal of the last change in it.
        landmark_s: what the sums' weights are relative to, seconds since the Unix epoch.
        burst: the count decayed over minutes, as of `burst_at_s`.
        burst_at_s: seconds since the Unix epoch.
        since_s: when the first payment was, seconds since the Unix epoch, 0 before there is one.
        sums: count, log, log squared, amount and amount squared, for each memory.
    """

    sequence: int
    landmark_s: float
    burst: float
    burst_at_s: float
    since_s: float
    sums: tuple[float, ...]


class Profile:
    """One account's sums. Changed in place by the learner alone; scoring only reads."""

    __slots__ = ("burst", "burst_at_s", "fetched_s", "landmark_s", "sequence", "since_s", "sums")

    def __init__(self, state: ProfileState | None = None, *, fetched_s: float = 0.0) -> None:
        """Begin empty or as stored; `fetched_s` says when it was read, by the reader's own clock."""
        self.fetched_s = fetched_s
        self.sequence = state.sequence if state else 0
        self.landmark_s = state.landmark_s if state else 0.0
        self.burst = state.burst if state else 0.0
        self.burst_at_s = state.burst_at_s if state else 0.0
        self.since_s = state.since_s if state else 0.0
        self.sums = array("d", state.sums if state else _ZEROS)

    def state(self) -> ProfileState:
        """Return its values as they are now."""
        return ProfileState(
            sequence=self.sequence,
            landmark_s=self.landmark_s,
            burst=self.burst,
            burst_at_s=self.burst_at_s,
            since_s=self.since_s,
            sums=tuple(self.sums),
        )

    def learn(self, at_s: float, log_amount: float) -> None:
        """Take in one payment, its amount pulled to within three standard deviations of what was known.

        The limits come from this profile alone (and a wide prior), never from another: what a profile
        becomes is a function of its own payments in order, and nothing else.
        """
        _, mean, deviation = self.expected(at_s, WIDE)
        reach = WINSOR_Z * deviation
        self.add(at_s, min(max(log_amount, mean - reach), mean + reach))

    def add(self, at_s: float, log_amount: float) -> None:
        """Add one payment as it is."""
        age_s = at_s - self.landmark_s
        if age_s > _REBASE_S:
            self._rebase(at_s)
            age_s = 0.0
        amount = exp(log_amount)
        sums, place = self.sums, 0
        for memory_s in MEMORIES_S:
            weight = exp(age_s / memory_s)
            weighted_log = weight * log_amount
            weighted_amount = weight * amount
            sums[place] += weight
            sums[place + LOG] += weighted_log
            sums[place + LOG_SQUARED] += weighted_log * log_amount
            sums[place + AMOUNT] += weighted_amount
            sums[place + AMOUNT_SQUARED] += weighted_amount * amount
            place += SUMS_PER_MEMORY
        self.burst = self.burst_count(at_s) + exp(min(at_s - self.burst_at_s, 0.0) / BURST_S)
        self.burst_at_s = max(self.burst_at_s, at_s)
        if not 0.0 < self.since_s <= at_s:
            self.since_s = at_s

    def expected(self, at_s: float, prior: Prior) -> tuple[float, float, float]:
        """Return how many payments are remembered, and mean and deviation expected of the next log amount.

        A normal model of two levels: half the prior's variance lies between senders, half within one. So
        the mean is shrunk towards the prior's as if that had been seen once, and the deviation counts what
        is not yet known of the mean. Reads the thirty-day memory.
        """
        decay = exp(min(self.landmark_s - at_s, 0.0) / MEMORIES_S[2])
        sums = self.sums
        count = sums[MONTH] * decay
        if count <= 0.0:
            return 0.0, prior.mean, sqrt(prior.variance)
        total = sums[MONTH + LOG] * decay
        within = max(sums[MONTH + LOG_SQUARED] * decay - total * total / count, 0.0)
        variance = max((within + _SPREAD_WEIGHT * prior.variance / 2) / (count + _SPREAD_WEIGHT), _VARIANCE_MIN)
        mean = (total + prior.mean) / (count + 1.0)
        return count, mean, sqrt(variance * (1.0 + 1.0 / (count + 1.0)))

    def burst_count(self, at_s: float) -> float:
        """Return how many payments there were in the last minutes, each weighing less with age."""
        return self.burst * exp(min(self.burst_at_s - at_s, 0.0) / BURST_S)

    def rate(self, at_s: float) -> float:
        """Return the payments per second over the last day or the last week, whichever is more."""
        day_s, week_s, _ = MEMORIES_S
        age_s = min(self.landmark_s - at_s, 0.0)
        return max(self.sums[DAY] * exp(age_s / day_s) / day_s, self.sums[WEEK] * exp(age_s / week_s) / week_s)

    def _rebase(self, at_s: float) -> None:
        sums, place = self.sums, 0
        for memory_s in MEMORIES_S:
            decay = exp((self.landmark_s - at_s) / memory_s)
            for offset in range(SUMS_PER_MEMORY):
                sums[place + offset] *= decay
            place += SUMS_PER_MEMORY
        self.landmark_s = at_s


def prior_of(population: Profile | None) -> Prior:
    """Return what a source's traffic leads to expect of a sender, itself shrunk to a wide prior.

    As of the source's last payment, so that a score depends on nothing but profiles and the payment scored.
    """
    if population is None:
        return WIDE
    decay = exp(min(population.landmark_s - population.burst_at_s, 0.0) / MEMORIES_S[2])
    sums = population.sums
    count = sums[MONTH] * decay
    if count <= 0.0:
        return WIDE
    mean = sums[MONTH + LOG] * decay / count
    within = max(sums[MONTH + LOG_SQUARED] * decay - count * mean * mean, 0.0)
    total = count + _POPULATION_WEIGHT
    between = count * _POPULATION_WEIGHT / total * (mean - WIDE.mean) ** 2
    youth = max(1.0 - (population.burst_at_s - population.since_s) / DAY_S, 0.0)
    return Prior(
        mean=(count * mean + _POPULATION_WEIGHT * WIDE.mean) / total,
        variance=(within + _POPULATION_WEIGHT * WIDE.variance + between) / total,
        usual_burst=youth * _SHARE * population.burst,
    )
