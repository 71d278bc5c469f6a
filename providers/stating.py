"""Events as most providers state them: the whole amount of one object, however often it is told."""

from __future__ import annotations

from typing import Final

from providers.contract import Basis, DisputeReason, Event, Kind

Amount = tuple[int | None, str, int]

# These end their object whole: what never happened, or is no longer withheld, has no amount to subtract.
ENDS_WHOLE: Final = frozenset({Kind.CAPTURE_FAILED, Kind.REFUND_FAILED, Kind.DISPUTE_WON})
NO_AMOUNT: Final[Amount] = (None, "", 0)


def stated(
    kind: Kind,
    *,
    tx_id: str,
    event_id: str,
    object_id: str = "",
    amount: Amount = NO_AMOUNT,
    happened_ms: int,
    sender: str = "",
    receiver: str = "",
    description: str = "",
    aliases: tuple[str, ...] = (),
    reason: DisputeReason = DisputeReason.UNSPECIFIED,
) -> Event:
    """Return the event of an object (a refund, a dispute; empty for the payment) whose whole amount is stated.

    Told twice, in two events, an object counts once: totals take the largest amount stated of it. `happened_ms` comes
    from signed content, 0 where there is none.
    """
    minor_units, currency, exponent = NO_AMOUNT if amount[0] is None or kind in ENDS_WHOLE else amount
    return Event(
        tx_id=tx_id,
        kind=kind,
        event_id=event_id,
        object_id=object_id,
        amount_minor=minor_units,
        currency=currency,
        exponent=exponent,
        basis=Basis.CUMULATIVE,
        sender_account=sender,
        receiver_account=receiver if receiver != sender else "",
        event_time_ms=happened_ms,
        event_time_signed=happened_ms > 0,
        description=description,
        aliases=aliases,
        dispute_reason=reason,
    )
