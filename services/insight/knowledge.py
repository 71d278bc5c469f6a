"""What is seen of a payment, and what payments and verdicts teach: the same steps in the service and in a replay."""

from __future__ import annotations

from services.insight.features import PLACE, is_near, vector
from services.insight.magnitude import log_amount
from services.insight.memory import EMPTY, Prior, growth_at, judge, learn, met
from services.insight.model import Payment
from services.insight.profile import Profile

_AMOUNT_Z = PLACE["amount_z"]
_ROUND_TRIP = PLACE["round_trip"]


def look(payment: Payment, sender: Profile | None, receiver: Profile | None, prior: Prior) -> list[float]:
    """Return the features of a payment with an amount, before it is learnt.

    Args:
        payment: the payment.
        sender: the paying account's profile (an empty one where there is nothing), None where the account or its
            history isn't known now.
        receiver: likewise the paid account's.
        prior: what the payment's source usually sees.
    """
    _, _, _, _, minor_units, currency, at_ms = payment
    size = log_amount(minor_units, currency)
    at_s = at_ms / 1000.0
    if sender is None or receiver is None:
        return vector(
            at_s,
            minor_units,
            size,
            sender.sends if sender is not None else None,
            receiver.receives if receiver is not None else None,
            None,
            None,
            prior,
        )
    values = vector(at_s, minor_units, size, sender.sends, receiver.receives, sender.mark, receiver.mark, prior)
    if values[_AMOUNT_Z] and sender.receives is not EMPTY and met(sender.receives, receiver.mark):
        values[_ROUND_TRIP] = values[_AMOUNT_Z]
    return values


def teach(
    payment: Payment, sender: Profile | None, receiver: Profile | None, population: Profile | None, sequence: int
) -> None:
    """Let each profile that doesn't contain it yet learn the payment of this ordinal."""
    _, _, _, _, minor_units, currency, at_ms = payment
    size = log_amount(minor_units, currency)
    at_s = at_ms / 1000.0
    growth = growth_at(at_s)
    # One account may be both: decided before either is touched.
    sends = sender is not None and sender.sequence < sequence
    receives = receiver is not None and receiver.sequence < sequence
    if sender is not None and sends:
        mark = receiver.mark if receiver is not None else None
        sender.sends = learn(sender.sends, at_s, size, mark, near=is_near(minor_units), growth=growth)
        sender.sequence = sequence
    if receiver is not None and receives:
        mark = sender.mark if sender is not None else None
        receiver.receives = learn(receiver.receives, at_s, size, mark, growth=growth)
        receiver.sequence = sequence
    if population is not None and population.sequence < sequence:
        population.sends = learn(population.sends, at_s, size, growth=growth)
        population.sequence = sequence


def tell_verdict(
    at_s: float,
    sender: Profile | None,
    receiver: Profile | None,
    population: Profile | None,
    ordinal: int,
    fraud: float,
    judged: float,
) -> None:
    """Let each profile that doesn't contain it yet count the verdict of this ordinal; negative amounts take back."""
    growth = growth_at(at_s)
    sends = sender is not None and sender.judged < ordinal
    receives = receiver is not None and receiver.judged < ordinal
    if sender is not None and sends:
        sender.sends = judge(sender.sends, at_s, fraud, judged, growth)
        sender.judged = ordinal
    if receiver is not None and receives:
        receiver.receives = judge(receiver.receives, at_s, fraud, judged, growth)
        receiver.judged = ordinal
    if population is not None and population.judged < ordinal:
        population.sends = judge(population.sends, at_s, fraud, judged, growth)
        population.judged = ordinal
