"""The port `Payments` in memory: encoded as for MongoDB, and failing, hiding and racing as it was told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import bson
from msgspec.structs import replace

from services.ledger.adapters.documents import CODEC, PAYMENT_BYTES_MAX, encode, is_too_new, of_payment, to_payment
from services.ledger.model import NotDurable, Payment, StoredEvent
from services.ledger.ports import Aliased, Change, Inserted, Renaming
from services.ledger.schema import TooNew


class MemoryPayments:
    """Payments in a dictionary of documents.

    Attributes:
        documents: what is stored, by id.
        overflow: the events that were moved out, by payment and event id.
        calls: the operations asked for, in order.
        hidden: ids that exist and that no majority has yet, with the number of reads until one has.
        refused: ids that storage refuses for good.
        before_update: what other writers do just before each of the next updates.
    """

    def __init__(self) -> None:
        """Begin empty and in good health."""
        self.documents: dict[str, dict[str, Any]] = {}
        self.overflow: dict[tuple[str, str], StoredEvent] = {}
        self.calls: list[str] = []
        self.hidden: dict[str, int] = {}
        self.refused: set[str] = set()
        self.before_update: deque[Callable[[], None]] = deque()
        self._failing: set[str] = set()

    def fail(self, *operations: str) -> None:
        """Let operations do their work and then lose their answer, until `heal`."""
        self._failing.update(operations)

    def heal(self) -> None:
        """Answer again."""
        self._failing.clear()

    def get(self, payment_id: str) -> Payment:
        """Return what is stored."""
        return to_payment(self.documents[payment_id])

    def put(self, payment: Payment) -> None:
        """Store a payment as another writer does."""
        self.documents[payment.id] = bson.decode(self.encode(payment), CODEC)

    def encode(self, payment: Payment) -> bytes:
        """Return the payment's document as MongoDB would get it."""
        return encode(of_payment(payment), bytes_max=PAYMENT_BYTES_MAX)

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        """Insert documents whose id is free."""
        existing, unstorable = set(), set()
        for position, each in enumerate(encoded):
            document = bson.decode(each, CODEC)
            if document["_id"] in self.refused:
                unstorable.add(position)
            elif document["_id"] in self.documents:
                existing.add(position)
            else:
                self.documents[document["_id"]] = document
        self._done("insert_new")
        return Inserted(existing=frozenset(existing), unstorable=frozenset(unstorable))

    async def read_durable(self, ids: Sequence[str]) -> Mapping[str, Payment]:
        """Return those that exist and are visible."""
        self._done("read_durable")
        found = {}
        if newer := [each for each in ids if each in self.documents and is_too_new(self.documents[each])]:
            raise TooNew(newer)
        for payment_id in ids:
            if self.hidden.get(payment_id, 0) > 0:
                self.hidden[payment_id] -= 1
            elif payment_id in self.documents:
                found[payment_id] = self.get(payment_id)
        return found

    async def find_aliased(self, wanted: Mapping[str, Collection[str]], *, rows_max: int) -> Sequence[Aliased]:
        """Return those that are visible and called so."""
        self._done("find_aliased")
        visible = [self.get(payment_id) for payment_id in self.documents if not self.hidden.get(payment_id)]
        return [
            Aliased(source=payment.source, tx_id=payment.tx_id, aliases=payment.aliases)
            for payment in visible
            if not {payment.tx_id, *payment.aliases}.isdisjoint(wanted.get(payment.source, ()))
        ][:rows_max]

    async def read_spilled(self, wanted: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, StoredEvent]]:
        """Return those that were moved out."""
        self._done("read_spilled")
        return {
            payment_id: {each: self.overflow[payment_id, each] for each in ids if (payment_id, each) in self.overflow}
            for payment_id, ids in wanted.items()
        }

    async def read_all_spilled(self, payment_id: str) -> Sequence[StoredEvent]:
        """Return all that was moved out of one payment."""
        self._done("read_all_spilled")
        return [stored for (holder, _), stored in self.overflow.items() if holder == payment_id]

    async def rename_deliveries(self, renamings: Sequence[Renaming]) -> None:
        """Rename where the event still names what it did, in the document and beside it."""
        for each in renamings:
            for held in self.documents[each.payment_id]["events"]:
                if (held["event_id"], held.get("delivery")) == (each.event_id, each.before):
                    held["delivery"] = each.after
            place = each.payment_id, each.event_id
            if place in self.overflow and self.overflow[place].delivery == each.before:
                self.overflow[place] = replace(self.overflow[place], delivery=each.after)
        self._done("rename_deliveries")

    async def update(self, changes: Sequence[Change]) -> int:
        """Write those whose version still matches."""
        if self.before_update:
            self.before_update.popleft()()
        matched = 0
        for change in changes:
            for stored in change.moved:
                self.overflow.setdefault((change.before.id, stored.event.event_id), stored)
            document = self.documents.get(change.before.id)
            if document is not None and document["version"] == change.before.version:
                matched += 1
                self.put(_merged(self.get(change.before.id), change))
        self._done("update")
        return matched

    def _done(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self._failing:
            raise NotDurable(f"{operation} got no answer")


def _merged(stored: Payment, change: Change) -> Payment:
    """Like MongoDB's update: what identifies the payment and when it came first stay, new events are appended."""
    return replace(
        change.after,
        id=stored.id,
        source=stored.source,
        tx_id=stored.tx_id,
        recorded_at_ms=stored.recorded_at_ms,
        analysis=stored.analysis or change.after.analysis,
        events=change.after.events if change.moved else (*stored.events, *change.added),
    )
