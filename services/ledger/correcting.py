"""Accepting a conflict: its facts become a correction, an event of the payment that says what no longer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from mesh.errors import Fault, Kind
from services.ledger.correction import Correction
from services.ledger.folding import apply, contradiction, corrections_of, counted, replaced_by, tally_of
from services.ledger.model import Event, Payment, StoredEvent, Unstorable
from services.ledger.ports import Conflicting, Payments
from services.ledger.schema import TooNew, too_new
from services.ledger.settling import Settler

_ROUNDS_MAX: Final = 5
_ROUND_PAUSE_S: Final = 0.02
_HASH_CHARACTERS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A person's decision to believe a delivery: its key, its own id, who decided, why, and when (ms since 1970)."""

    source: str
    delivery: str
    author: str
    note: str
    now_ms: int


class Corrector:
    """Writes corrections into payments."""

    def __init__(self, payments: Payments, settler: Settler) -> None:
        """Read and write these payments."""
        self._payments = payments
        self._settler = settler

    async def accept(self, conflict: Conflicting, acceptance: Acceptance) -> bool:
        """Record the conflicting event as a correction; return whether that changed the payment.

        Its id follows from the delivery, so accepting again changes nothing; neither does accepting what has been
        recorded since.

        Raises:
            Fault: NOT_RESOLVABLE, the payment would add up amounts of two currencies; ABORTED, other writers were
                faster each time; NOT_FOUND, there is no such payment; UNAVAILABLE, it is of a newer form.
            NotDurable: whether it was written is unknown.
        """
        payment_id = f"{acceptance.source}:{conflict.event.tx_id}"
        for attempt in range(_ROUNDS_MAX):
            try:
                before = (await self._payments.read_durable([payment_id])).get(payment_id)
            except TooNew:
                raise too_new() from None
            if before is None:
                raise _no_payment(conflict.event.tx_id)
            after = await self._corrected(before, conflict, acceptance)
            if after is before:
                return False
            try:
                change = self._settler.checked(before, after)
            except Unstorable as error:
                raise _not_resolvable(f"{error.field} would not fit.") from error
            if await self._payments.update([change]) == 1:
                return True
            await asyncio.sleep(_ROUND_PAUSE_S * (attempt + 1))
        raise Fault(
            kind=Kind.LOST_RACE,
            reason="CONTENDED",
            message="Other writers won every attempt for this payment; resolve the delivery again.",
        )

    async def _corrected(self, before: Payment, conflict: Conflicting, acceptance: Acceptance) -> Payment:
        """Return the payment after the correction, the same object where it says nothing new."""
        elsewhere: Sequence[StoredEvent] = ()
        if before.spilled is not None:
            held = {stored.event.event_id for stored in before.events}
            moved = await self._payments.read_all_spilled(before.id)
            elsewhere = [stored for stored in moved if stored.event.event_id not in held]
        every = [*elsewhere, *before.events]
        event = conflict.event
        known = [stored.event for stored in every if event.event_id in _ids(stored.event)]
        if any(each.content == event.content for each in known):
            return before
        earlier = corrections_of(before.events)
        overridden = known or [each for each in counted(every, earlier) if _restates(each, before, event)]
        correction = replace(
            event,
            event_id=f"correction-{acceptance.delivery.rpartition(':')[2][:_HASH_CHARACTERS]}-{conflict.place}",
            risk=None,
            correction=Correction(
                author=acceptance.author,
                note=acceptance.note,
                of=event.event_id,
                replaces=tuple(each.event_id for each in overridden),
                rank=len(earlier) + 1,
            ),
        )
        payment = before
        if before.spilled is not None:
            # The tally of what moved out can't be taken from: it is made anew, without what no longer counts.
            tally = tally_of(counted(elsewhere, [*earlier, correction]))
            tally.count = before.spilled.count
            payment = replace(before, spilled=tally)
        try:
            after, _, _ = apply(
                payment, correction, source="", delivery=acceptance.delivery, delivery_id="", now_ms=acceptance.now_ms
            )
        except Unstorable as error:
            raise _not_resolvable(f"{error.field} would leave its range.") from error
        _check_currencies(after, [*elsewhere, *after.events])
        return after


def _ids(event: Event) -> tuple[str, ...]:
    """Return the ids under which an event is known: its own, and the one whose facts it accepted."""
    return (event.event_id,) if event.correction is None else (event.event_id, event.correction.of)


def _restates(event: Event, payment: Payment, accepted: Event) -> bool:
    """Return whether an event states the same fact as the accepted one, and states it otherwise.

    A delta is a fact of its own: two refunds are two, whatever they say.
    """
    if (event.kind, event.object_id) != (accepted.kind, accepted.object_id):
        return False
    if not (event.amount_fixed or event.cumulative):
        return False
    stated = replace(
        payment,
        currency=event.currency,
        sender=event.sender,
        receiver=event.receiver,
        amount=event.amount,
        amount_fixed=event.amount_fixed,
    )
    return bool(contradiction(stated, accepted))


def _check_currencies(payment: Payment, events: Sequence[StoredEvent]) -> None:
    replaced = replaced_by(corrections_of(payment.events))
    currencies = {each.event.currency for each in events if each.event.event_id not in replaced and each.event.currency}
    if len(currencies) > 1:
        raise _not_resolvable("it would add up amounts of several currencies: " + ", ".join(sorted(currencies)) + ".")


def _not_resolvable(why: str) -> Fault:
    return Fault(
        kind=Kind.CONFLICT,
        reason="NOT_RESOLVABLE",
        message=f"The delivery can't be accepted: {why} Dismiss it instead.",
        metadata={"disposition": "conflict"},
    )


def _no_payment(tx_id: str) -> Fault:
    return Fault(
        kind=Kind.NOT_FOUND,
        reason="NOT_FOUND",
        message="There is no payment that the delivery could correct.",
        metadata={"tx_id": tx_id},
    )
