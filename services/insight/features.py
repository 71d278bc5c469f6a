"""What the detector looks at: one vector of numbers per payment, from what is remembered and the payment itself.

Every feature is 0 where nothing is remarkable, bounded, and scaled so that 1 is a lot; none is learnt. What
each is worth is in `scorecard.py`; formulae and sources are in docs/detector.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, log10, sqrt
from typing import Final

from services.insight.memory import (
    BURST_S,
    DAY_S,
    MONTH_S,
    WEEK_S,
    Mark,
    Prior,
    expected,
    knows,
    unpack,
    unpack_receiver,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One place of the vector.

    Attributes:
        name: as exported and explained.
        reason: the code of the reason that it counts towards.
        weight: log-odds per unit before any label is known: what the rules alone are worth.
        spread: how far from `weight` labels are expected to take it, a standard deviation.
    """

    name: str
    reason: str
    weight: float
    spread: float = 6.0


FEATURES: Final = (
    Feature(name="amount_z", reason="AMOUNT_ABOVE_HISTORY", weight=0.3),
    Feature(name="times_sender_1_2", reason="AMOUNT_ABOVE_HISTORY", weight=0.3),
    Feature(name="times_sender_2_4", reason="AMOUNT_ABOVE_HISTORY", weight=1.5),
    Feature(name="times_sender_4_8", reason="AMOUNT_ABOVE_HISTORY", weight=2.0),
    Feature(name="times_sender_8_16", reason="AMOUNT_ABOVE_HISTORY", weight=3.0),
    Feature(name="times_source_0_1", reason="AMOUNT_ABOVE_SOURCE", weight=0.0),
    Feature(name="times_source_1_2", reason="AMOUNT_ABOVE_SOURCE", weight=0.0),
    Feature(name="times_source_2_4", reason="AMOUNT_ABOVE_SOURCE", weight=0.5),
    Feature(name="times_source_4_8", reason="AMOUNT_ABOVE_SOURCE", weight=1.0),
    Feature(name="times_source_8_16", reason="AMOUNT_ABOVE_SOURCE", weight=2.0),
    Feature(name="week_spending", reason="SPENDING_RISES", weight=0.0),
    Feature(name="week_size", reason="SPENDING_RISES", weight=0.0),
    Feature(name="burst", reason="VELOCITY", weight=0.5, spread=0.5),
    Feature(name="no_history", reason="NO_HISTORY", weight=0.5, spread=1.0),
    Feature(name="new_receiver", reason="NEW_RECEIVER", weight=0.1, spread=1.0),
    Feature(name="new_receiver_amount", reason="NEW_RECEIVER", weight=0.3, spread=1.0),
    Feature(name="new_receivers", reason="NEW_RECEIVERS", weight=0.5, spread=0.5),
    Feature(name="fan_in", reason="FAN_IN", weight=0.5, spread=0.5),
    Feature(name="round_trip", reason="ROUND_TRIP", weight=0.3, spread=1.0),
    Feature(name="structuring", reason="STRUCTURING", weight=1.0, spread=1.0),
    Feature(name="receiver_fraud_week", reason="RECEIVER_FRAUD", weight=0.8),
    Feature(name="receiver_fraud_month", reason="RECEIVER_FRAUD", weight=0.2),
    Feature(name="sender_fraud_week", reason="SENDER_FRAUD", weight=0.5),
)
NAMES: Final = tuple(feature.name for feature in FEATURES)
PLACE: Final = {name: place for place, name in enumerate(NAMES)}

# Fewer remembered payments than this are no history.
HISTORY_MIN: Final = 0.5
_Z_MAX: Final = 10.0
_EXCESS_MIN: Final = 3.0
_EXCESS_MAX: Final = 16.0
# A handful of payments in ten minutes is a person shopping, whatever the rate before.
_BURST_MIN: Final = 8.0
_FRESH_MIN: Final = 3.0
_NEAR_MIN: Final = 3.0
_NEAR_EXCESS_MIN: Final = 2.0
# Amounts spread evenly over their logarithm lie just below a round one in 9 cases of 100.
_NEAR_SHARE: Final = 0.09
# Shares of fraud are stretched so that one in five is 1.
_SHARE_SCALE: Final = 5.0
_FEW: Final = 0.05
# A sender's share is shrunk harder: every sender is honest until several payments say otherwise.
_SOME: Final = 1.0


def is_near(minor_units: int) -> bool:
    """Whether an amount is within a tenth below 1 or 5 times a power of ten, in whatever unit it is counted."""
    digits = log10(minor_units) % 1.0
    return digits >= 0.954_242 or 0.653_212 <= digits < 0.698_969  # noqa: PLR2004 - log10 of 9, 4.5, and just below 5


def excess(recent: float, usual: float) -> float:
    """Return by how many deviations a count is above the usual one, counting only what is beyond three.

    Small counts scatter by the square root of their mean, large ones by half of it, for people have busy
    hours; one more keeps a rate of nothing from dividing by zero.
    """
    beyond = (recent - usual) / sqrt(1.0 + usual + usual * usual / 4.0) - _EXCESS_MIN
    if beyond <= 0.0:
        return 0.0
    return beyond if beyond < _EXCESS_MAX else _EXCESS_MAX


def vector(
    at_s: float,
    minor_units: int,
    log_amount: float,
    sends: bytes | None,
    receives: bytes | None,
    sender_mark: Mark | None,
    receiver_mark: Mark | None,
    prior: Prior,
) -> list[float]:
    """Return the features of a payment; the same arguments always give the same.

    Args:
        at_s: when, seconds since the Unix epoch.
        minor_units: the amount, > 0.
        log_amount: of rough US dollars.
        sends: the memory of what the sender sends, empty where there is nothing, None where it isn't known whether
            there is something.
        receives: likewise of what the receiver receives.
        sender_mark: the sender's bits in who has met whom, None without a sender.
        receiver_mark: the receiver's.
        prior: what the source usually sees.
    """
    values = [0.0] * 23
    dollars = exp(log_amount) if log_amount < 50.0 else exp(50.0)  # noqa: PLR2004 - far beyond all money
    times = dollars / prior.dollars
    values[5] = times if times < 1.0 else 1.0
    _steps(values, 6, times)
    if sends is not None:
        _sender(values, at_s, minor_units, log_amount, dollars, sends, receiver_mark, prior)
    if receives is not None:
        _receiver(values, at_s, receives, sender_mark, prior)
    return values


def _steps(values: list[float], place: int, times: float) -> None:
    """Set the four steps 1-2, 2-4, 4-8, 8-16 of a ratio, each 0 below, 1 above, and linear in between."""
    low = 1.0
    while times > low and low < 16.0:  # noqa: PLR2004 - the last step's end
        step = times / low - 1.0
        values[place] = step if step < 1.0 else 1.0
        place += 1
        low += low


def _sender(
    values: list[float],
    at_s: float,
    minor_units: int,
    log_amount: float,
    dollars: float,
    memory: bytes,
    receiver_mark: Mark | None,
    prior: Prior,
) -> None:
    # fmt: off
    (landmark_s, _, burst, burst_at_s, count_day, count_week, log_week, dollars_week, count_month, log_month,
     square_month, dollars_month, fresh_day, fresh_month, near_week, fraud_week, judged_week, fraud_month,
     _, met, met_before) = unpack(memory)
    # fmt: on
    usual_mean, usual_variance, usual_dollars, usual_payments, usual_burst, usual_fraud, usual_days = prior
    age_s = landmark_s - at_s if at_s > landmark_s else 0.0
    month = exp(age_s / MONTH_S)
    known = count_month * month
    mean, deviation = expected(known, log_month * month, square_month * month, usual_mean, usual_variance)
    z = (log_amount - mean) / deviation
    if z > 0.0:
        values[0] = z if z < _Z_MAX else _Z_MAX
    if burst > 1.0:
        recent = 1.0 + (burst * exp((burst_at_s - at_s) / BURST_S) if at_s > burst_at_s else burst)
        if recent >= _BURST_MIN:
            rate = max(count_day * exp(age_s / DAY_S) / DAY_S, count_week * exp(age_s / WEEK_S) / WEEK_S)
            share = known / usual_payments if known < usual_payments else 1.0
            values[12] = excess(recent, max(rate * BURST_S, usual_burst * share))
    if known < HISTORY_MIN:
        values[13] = 1.0
        return
    week = exp(age_s / WEEK_S)
    weekly, monthly_dollars = count_week * week, dollars_month * month
    _steps(values, 1, dollars * (known + 1.0) / (monthly_dollars + usual_dollars))
    values[10] = log((dollars_week * week / 7.0 + usual_dollars) / (monthly_dollars / 30.0 + usual_dollars))
    if weekly > HISTORY_MIN:
        # Both shrunk alike, so that a single payment moves them alike.
        values[11] = (log_week * week + usual_mean) / (weekly + 1.0) - mean
    if receiver_mark is not None and not knows(met, met_before, receiver_mark):
        # Where most receivers are new, another one is no news.
        surprise = 1.0 - fresh_month * month / (known + 1.0)
        values[14] = surprise
        values[15] = surprise * values[0]
        fresh = fresh_day * exp(age_s / DAY_S) + 1.0
        # On a source's first day every receiver is new to everybody.
        if fresh >= _FRESH_MIN and not usual_burst:
            values[16] = excess(fresh, fresh_month * month / usual_days)
    if near_week and dollars > usual_dollars and is_near(minor_units):
        near = near_week * week + 1.0
        if near >= _NEAR_MIN:
            by_chance = _NEAR_SHARE * (weekly + 1.0)
            beyond = (near - by_chance) / sqrt(1.0 + by_chance) - _NEAR_EXCESS_MIN
            values[19] = 0.0 if beyond < 0.0 else beyond if beyond < _EXCESS_MAX else _EXCESS_MAX
    if fraud_month > 0.0:
        share = (fraud_week * week + usual_fraud * _SOME) / (judged_week * week + _SOME)
        values[22] = (share - usual_fraud) * _SHARE_SCALE


def _receiver(values: list[float], at_s: float, memory: bytes, sender_mark: Mark | None, prior: Prior) -> None:
    # fmt: off
    (landmark_s, fresh_day, fresh_month, fraud_week, judged_week, fraud_month, judged_month, met, met_before
     ) = unpack_receiver(memory)
    # fmt: on
    age_s = landmark_s - at_s if at_s > landmark_s else 0.0
    if sender_mark is not None and not knows(met, met_before, sender_mark):
        fresh = fresh_day * exp(age_s / DAY_S) + 1.0
        if fresh >= _FRESH_MIN and not prior.usual_burst:
            values[17] = excess(fresh, fresh_month * exp(age_s / MONTH_S) / prior.days)
    if judged_month > 0.0:
        usual = prior.fraud
        week, month = exp(age_s / WEEK_S), exp(age_s / MONTH_S)
        share = (fraud_week * week + usual * _FEW) / (judged_week * week + _FEW)
        values[20] = (share - usual) * _SHARE_SCALE
        share = (fraud_month * month + usual * _FEW) / (judged_month * month + _FEW)
        values[21] = (share - usual) * _SHARE_SCALE
