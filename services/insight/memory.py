"""What is remembered of one side of an account: exponentially decayed sums, and whom it has met, packed in bytes.

The sums use forward decay (Cormode, Shkapenyuk, Srivastava and Xu, "Forward decay", ICDE 2009): a payment
enters with weight exp((t - landmark) / tau), so that adding costs the same however old the memory is, and
payments may arrive out of order. The landmark lies on a grid that all memories share, and moves up before the
weights get large.

A memory is an immutable `bytes` of 280: twenty numbers in one piece cost a few cache lines where twenty objects
cost one each, and it is stored and loaded as it is.
"""

from __future__ import annotations

from math import exp, sqrt
from struct import Struct
from typing import Final, NamedTuple

DAY_S: Final = 86_400.0
WEEK_S: Final = 7 * DAY_S
MONTH_S: Final = 30 * DAY_S
BURST_S: Final = 600.0
# Weights of the shortest memory reach e^30, far from any limit of a double.
_GRID_S: Final = MONTH_S

# A sender's own spread is shrunk towards half the population's as if seen so many times.
_SPREAD_WEIGHT: Final = 4.0
_VARIANCE_MIN: Final = 0.05
# Beyond so many standard deviations an amount teaches no more than one at that distance.
WINSOR_Z: Final = 3.0

# Whom an account has met is two Bloom filters: at a quarter full the newer one becomes the older. They hold the last
# 70 to 140 counterparties; a stranger passes for one of them in at most 13 cases of 100.
_MET_BYTES: Final = 64
_MET_BITS_MAX: Final = 8 * _MET_BYTES // 4


class Prior(NamedTuple):
    """What is expected of a payment before anything is known of its sender.

    Attributes:
        mean: of the log amount.
        variance: of the log amount.
        dollars: the usual amount in rough US dollars: a mean with outliers pulled in.
        payments: how many payments of the source are remembered.
        usual_burst: on a source's first day, when nobody has a rate of their own to compare with, its payments in ten
            minutes; 0 later.
        fraud: the share of fraud among judged payments, shrunk to a small one.
        days: how many days of the source the thirty-day sums can hold, 1 to 30.
    """

    mean: float
    variance: float
    dollars: float = 100.0
    payments: float = 0.0
    usual_burst: float = 0.0
    fraud: float = 0.005
    days: float = 30.0


# Deliberately wide: from cents to tens of thousands of dollars.
WIDE_MEAN: Final = 4.0
WIDE_VARIANCE: Final = 5.0
WIDE: Final = Prior(mean=WIDE_MEAN, variance=WIDE_VARIANCE)


class Sums(NamedTuple):
    """A memory unpacked.

    Attributes:
        landmark_s: what the sums' weights are relative to, seconds since the Unix epoch.
        since_s: when the first payment was, 0 before there is one.
        burst: the count decayed over minutes, as of `burst_at_s`.
        burst_at_s: when the latest payment was.
        count_day: payments, decayed over a day; names in `_week` and `_month` decay over seven and thirty.
        count_week: payments.
        log_week: log amounts.
        dollars_week: amounts in rough US dollars.
        count_month: payments.
        log_month: log amounts.
        square_month: squares of log amounts.
        dollars_month: amounts in rough US dollars.
        fresh_day: payments with a counterparty not met before.
        fresh_month: the same.
        near_week: payments just below a round amount.
        fraud_week: judged payments that were fraud, by the payments' own times.
        judged_week: judged payments.
        fraud_month: judged payments that were fraud.
        judged_month: judged payments.
        met: whom it has met lately.
        met_before: whom it met before that.
    """

    landmark_s: float
    since_s: float
    burst: float
    burst_at_s: float
    count_day: float
    count_week: float
    log_week: float
    dollars_week: float
    count_month: float
    log_month: float
    square_month: float
    dollars_month: float
    fresh_day: float
    fresh_month: float
    near_week: float
    fraud_week: float
    judged_week: float
    fraud_month: float
    judged_month: float
    met: bytes
    met_before: bytes


_LAYOUT: Final = Struct(f"<19d{_MET_BYTES}s{_MET_BYTES}s")
BYTES: Final = _LAYOUT.size
EMPTY: Final = bytes(BYTES)
# Every loop over payments unpacks millions of these: plain tuples are what it wants, of no more than it needs.
unpack: Final = _LAYOUT.unpack
_pack: Final = _LAYOUT.pack
# What a payment changes, and what it leaves alone in one piece: the four sums of verdicts.
_PAYMENTS: Final = Struct(f"<15d32s{_MET_BYTES}s{_MET_BYTES}s")
# What a verdict changes between what it leaves alone.
_VERDICTS: Final = Struct(f"<d112s4d{2 * _MET_BYTES}s")
# What matters of a source: landmark, since, burst, burst_at, the month's four, its verdicts.
unpack_source: Final = Struct(f"<4d32x4d40x2d{2 * _MET_BYTES}x").unpack
# What matters of a receiver: landmark, fresh ones, verdicts, whom it has met; and the last of that alone.
unpack_receiver: Final = Struct(f"<d88x2d8x4d{_MET_BYTES}s{_MET_BYTES}s").unpack
_unpack_met: Final = Struct(f"<152x{_MET_BYTES}s{_MET_BYTES}s").unpack

# An account's two bits: byte and mask, twice.
Mark = tuple[int, int, int, int]
# A point of the grid, and the weights of the day's, the week's and the month's memory at a time after it.
Growth = tuple[float, float, float, float]


def sums_of(memory: bytes) -> Sums:
    """Return a memory's numbers by name."""
    return Sums._make(unpack(memory))


def mark_of(spread: int) -> Mark:
    """Return the bits of an account from a number that spreads accounts evenly."""
    first, second = spread % (8 * _MET_BYTES), spread // (8 * _MET_BYTES) % (8 * _MET_BYTES)
    return first >> 3, 1 << (first & 7), second >> 3, 1 << (second & 7)


def knows(met: bytes, met_before: bytes, mark: Mark) -> bool:
    """Whether somebody with these bits was met."""
    byte, bit, other_byte, other_bit = mark
    return bool(
        (met[byte] & bit and met[other_byte] & other_bit)
        or (met_before[byte] & bit and met_before[other_byte] & other_bit)
    )


def met(memory: bytes, mark: Mark) -> bool:
    """Whether a memory has met somebody with these bits."""
    newer, older = _unpack_met(memory)
    return knows(newer, older, mark)


def expected(count: float, log_sum: float, square_sum: float, mean: float, variance: float) -> tuple[float, float]:
    """Return mean and deviation expected of the next log amount, from sums and the prior's mean and variance.

    A normal model of two levels: half the prior's variance lies between senders, half within one. So the mean
    is shrunk towards the prior's as if that had been seen once, and the deviation counts what is not yet known
    of the mean.
    """
    if count <= 0.0:
        return mean, sqrt(variance)
    within = square_sum - log_sum * log_sum / count
    if within < 0.0:
        within = 0.0
    spread = (within + _SPREAD_WEIGHT * variance / 2) / (count + _SPREAD_WEIGHT)
    if spread < _VARIANCE_MIN:
        spread = _VARIANCE_MIN
    return (log_sum + mean) / (count + 1.0), sqrt(spread * (1.0 + 1.0 / (count + 1.0)))


def growth_at(at_s: float) -> Growth:
    """Return the grid's last point before a time, and what something of that time weighs relative to it."""
    landmark_s = at_s // _GRID_S * _GRID_S
    age_s = at_s - landmark_s
    return landmark_s, exp(age_s / DAY_S), exp(age_s / WEEK_S), exp(age_s / MONTH_S)


def learn(
    memory: bytes,
    at_s: float,
    log_amount: float,
    mark: Mark | None = None,
    *,
    near: bool = False,
    growth: Growth | None = None,
) -> bytes:
    """Return the memory with one payment more, its amount pulled to within three deviations of what was known.

    The limits come from this memory alone (and a wide prior), never from another: what it becomes is a
    function of its own payments in order, and nothing else.

    Args:
        memory: what is known so far.
        at_s: when, seconds since the Unix epoch.
        log_amount: of rough US dollars.
        mark: the counterparty's bits, None where there is no counterparty.
        near: whether the amount is just below a round one.
        growth: `growth_at` that time, where several memories learn one payment.
    """
    # fmt: off
    (landmark_s, since_s, burst, burst_at_s, count_day, count_week, log_week, dollars_week, count_month, log_month,
     square_month, dollars_month, fresh_day, fresh_month, near_week, verdicts, met, met_before
     ) = _PAYMENTS.unpack(memory)
    # fmt: on
    grid_s, day, week, month = growth or growth_at(at_s)
    if landmark_s != grid_s:
        if landmark_s < grid_s:
            return learn(_moved(memory, grid_s), at_s, log_amount, mark, near=near, growth=growth)
        # Out of order across a point of the grid.
        age_s = at_s - landmark_s
        day, week, month = exp(age_s / DAY_S), exp(age_s / WEEK_S), exp(age_s / MONTH_S)
    # The sums as of now: what is older weighs less, what came out of order no more than 1.
    now = 1.0 / month if month > 1.0 else 1.0
    mean, deviation = expected(count_month * now, log_month * now, square_month * now, WIDE_MEAN, WIDE_VARIANCE)
    reach = WINSOR_Z * deviation
    if log_amount > mean + reach:
        log_amount = mean + reach
    elif log_amount < mean - reach:
        log_amount = mean - reach
    dollars, month_log = exp(log_amount), month * log_amount
    if mark is not None:
        byte, bit, other_byte, other_bit = mark
        if not (met[byte] & bit and met[other_byte] & other_bit):
            if not (met_before[byte] & bit and met_before[other_byte] & other_bit):
                fresh_day += day
                fresh_month += month
            met, met_before = _meet(met, met_before, mark)
    if at_s >= burst_at_s:
        burst = burst * exp((burst_at_s - at_s) / BURST_S) + 1.0
        burst_at_s = at_s
    else:
        burst += exp((at_s - burst_at_s) / BURST_S)
    return _PAYMENTS.pack(
        landmark_s,
        since_s if 0.0 < since_s <= at_s else at_s,
        burst,
        burst_at_s,
        count_day + day,
        count_week + week,
        log_week + week * log_amount,
        dollars_week + week * dollars,
        count_month + month,
        log_month + month_log,
        square_month + month_log * log_amount,
        dollars_month + month * dollars,
        fresh_day,
        fresh_month,
        near_week + week if near else near_week,
        verdicts,
        met,
        met_before,
    )


def judge(memory: bytes, at_s: float, fraud: float, judged: float, growth: Growth | None = None) -> bytes:
    """Return the memory with a verdict on a payment of that time; negative amounts take one back."""
    landmark_s, before, fraud_week, judged_week, fraud_month, judged_month, behind = _VERDICTS.unpack(memory)
    grid_s, _, week, month = growth or growth_at(at_s)
    if landmark_s != grid_s:
        if landmark_s < grid_s:
            return judge(_moved(memory, grid_s), at_s, fraud, judged, growth)
        # Most verdicts are of payments before the last point of the grid.
        age_s = at_s - landmark_s
        week, month = exp(age_s / WEEK_S), exp(age_s / MONTH_S)
    return _VERDICTS.pack(
        landmark_s,
        before,
        fraud_week + week * fraud,
        judged_week + week * judged,
        fraud_month + month * fraud,
        judged_month + month * judged,
        behind,
    )


def _meet(met: bytes, met_before: bytes, mark: Mark) -> tuple[bytes, bytes]:
    bits = bytearray(met)
    bits[mark[0]] |= mark[1]
    bits[mark[2]] |= mark[3]
    if int.from_bytes(bits).bit_count() <= _MET_BITS_MAX:
        return bytes(bits), met_before
    newest = bytearray(_MET_BYTES)
    newest[mark[0]] |= mark[1]
    newest[mark[2]] |= mark[3]
    return bytes(newest), met


def _moved(memory: bytes, landmark_s: float) -> bytes:
    """Return the memory with its landmark moved up to a later point of the grid."""
    sums = sums_of(memory)
    if not sums.landmark_s:
        return _pack(landmark_s, *sums[1:])
    age_s = sums.landmark_s - landmark_s
    factors = {"day": exp(age_s / DAY_S), "week": exp(age_s / WEEK_S), "month": exp(age_s / MONTH_S)}
    moved = {name: getattr(sums, name) * factors[memory_of] for name, memory_of in _DECAYING}
    return _pack(*sums._replace(landmark_s=landmark_s, **moved))


_DECAYING: Final = tuple(
    (name, ending) for name in Sums._fields if (ending := name.rpartition("_")[2]) in {"day", "week", "month"}
)
