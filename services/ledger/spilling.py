"""Keeping a payment's document small: past 200 events the oldest move out, and their tally stays."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from services.ledger.folding import corrections_of, counted, tally_of
from services.ledger.model import Payment
from services.ledger.ports import Change

EMBEDDED_MAX: Final = 200
# Spilling rewrites the array of events, appending does not: down to here, so that it happens every hundredth time.
_KEPT: Final = 100


def change_of(before: Payment, after: Payment, *, kept: int = _KEPT) -> Change:
    """Return the change that stores `after`, with no more than EMBEDDED_MAX events in the document.

    Only events that `before` holds move, so what is moved is always durable already, whatever becomes of this
    change. A correction stays: it says which of the others count.
    """
    added = len(after.events) - len(before.events)
    if len(after.events) <= EMBEDDED_MAX and kept == _KEPT:
        return Change(before=before, after=after)
    leaving = len(after.events) - max(kept, added)
    moved = tuple([stored for stored in before.events[:leaving] if stored.event.correction is None])
    ids = {stored.event.event_id for stored in moved}
    corrections = corrections_of(after.events)
    tally = tally_of(counted(moved, corrections), spilled=after.spilled)
    # What a correction replaced counts for nothing, but it is there.
    tally.count = (after.spilled.count if after.spilled is not None else 0) + len(moved)
    rest = tuple([stored for stored in after.events if stored.event.event_id not in ids])
    return Change(before=before, after=replace(after, events=rest, spilled=tally), moved=moved)
