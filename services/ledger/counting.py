"""What one event adds to its payment's tally, and what a tally means: totals, status, flags."""

from __future__ import annotations

from typing import Final

from services.ledger.model import AMOUNT_MAX, Event, EventKind, Flag, Status, Totals, Unstorable
from services.ledger.tally import ObjectSums, Tally

# Each kind adds to one total, or takes back from one.
_ADDS: Final = {
    EventKind.AUTHORIZED: "authorized",
    EventKind.CAPTURED: "captured",
    EventKind.REFUNDED: "refunded",
    EventKind.DISPUTE_OPENED: "disputed",
    EventKind.DISPUTE_LOST: "disputed",
}
_TAKES_BACK: Final = {
    EventKind.CAPTURE_FAILED: "captured",
    EventKind.REFUND_FAILED: "refunded",
    EventKind.DISPUTE_WON: "disputed",
}
_DISPUTED: Final = 1 << EventKind.DISPUTE_OPENED | 1 << EventKind.DISPUTE_LOST
_CAPTURED: Final = 1 << EventKind.CAPTURED
_CANCELED: Final = 1 << EventKind.CANCELED
_AUTHORIZED: Final = 1 << EventKind.AUTHORIZED
_RETURNED: Final = 1 << EventKind.RETURNED
_DECLINED: Final = 1 << EventKind.FAILED | 1 << EventKind.CAPTURE_FAILED


def add(tally: Tally, event: Event) -> None:
    """Count one event that is not in the tally yet."""
    kind, amount = event.kind, event.amount
    tally.count += 1
    tally.kinds |= 1 << kind
    # Compared by hand here and below: a call of max() for each number is a tenth of what recording a payment costs.
    if amount is not None:
        tally.largest = max(tally.largest, amount)
        if event.amount_fixed and amount > tally.fixed:
            tally.fixed = amount
        if kind is EventKind.CAPTURED:
            tally.capture_stated = True
    if event.description and event.order > tally.described_at:
        tally.described_at = event.order
        tally.description = event.description
    if name := _ADDS.get(kind):
        sums = _sums(tally, name, event.object_id)
        sums.stated = True
        if amount is not None and (event.cumulative or name == "disputed"):
            # Opened and lost speak of one dispute's amount, so the larger counts, not the sum.
            sums.largest = max(sums.largest, amount)
        elif amount is not None:
            sums.summed += amount
    elif name := _TAKES_BACK.get(kind):
        sums = _sums(tally, name, event.object_id)
        # A reversal without an amount, and a dispute won, end their object whole.
        if amount is None or kind is EventKind.DISPUTE_WON:
            sums.ended = True
        else:
            sums.taken_back += amount


def _sums(tally: Tally, name: str, object_id: str) -> ObjectSums:
    sums = tally.objects.get((name, object_id))
    if sums is None:
        sums = tally.objects[name, object_id] = ObjectSums()
    return sums


def totals_of(tally: Tally) -> Totals:
    """Return the sums over a tally's objects, in minor units.

    Raises:
        Unstorable: one leaves int64.
    """
    totals: dict[str, int] = {}
    for (name, _), sums in tally.objects.items():
        total = totals[name] = totals.get(name, 0) + sums.total
        if total > AMOUNT_MAX:
            raise Unstorable("amount")
    return Totals(**totals)


def status_of(tally: Tally, totals: Totals) -> Status:  # noqa: PLR0911 - one return per rank
    """Return where a payment with this tally and these totals stands: the highest rank that holds."""
    kinds = tally.kinds
    if kinds & _DISPUTED and any(
        name == "disputed" and sums.stated and not sums.ended for (name, _), sums in tally.objects.items()
    ):
        return Status.DISPUTED
    if kinds & _RETURNED:
        return Status.RETURNED
    if totals.refunded:
        # A refund may arrive before its capture: measure it against what is known to have been paid.
        paid = totals.captured or totals.authorized or tally.fixed
        return Status.PARTIALLY_REFUNDED if totals.refunded < paid else Status.REFUNDED
    if totals.captured > 0 or (kinds & _CAPTURED and not tally.capture_stated):
        return Status.SUCCESS
    if kinds & _CANCELED:
        return Status.CANCELED
    if kinds & _AUTHORIZED:
        return Status.AUTHORIZED
    # A declined attempt is normal life: it ranks below every success, above waiting.
    return Status.FAILED if kinds & _DECLINED else Status.PENDING


def flags_of(totals: Totals, fixed: int) -> tuple[Flag, ...]:
    """Return what a person should look at."""
    captured = totals.captured
    if not captured:
        return ()
    flags = []
    if totals.refunded > captured:
        flags.append(Flag.OVER_REFUND)
    expected = max(totals.authorized, fixed)
    if expected and captured > expected:
        flags.append(Flag.DUPLICATE_CAPTURE)
    return tuple(flags)


def amount_of(tally: Tally, totals: Totals) -> int | None:
    """Return the amount a person would name: the stated one, else the most that was reserved or taken."""
    return tally.fixed or max(totals.authorized, totals.captured) or tally.largest or None
