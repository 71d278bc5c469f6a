"""What recording and reading need of storage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.ledger.model import Delivery, Disposition, Event, Item, Payment, StoredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserted:
    """What became of an unordered insert: positions that were there already, and positions storage refuses for good."""

    existing: frozenset[int]
    unstorable: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A payment before and after new events; written only where the stored version is still `before.version`.

    `moved` are the events of `before` that `after` no longer holds: they are kept beside it first.
    """

    before: Payment
    after: Payment
    moved: tuple[StoredEvent, ...] = ()

    @property
    def added(self) -> tuple[StoredEvent, ...]:
        """The new events."""
        return self.after.events[len(self.before.events) - len(self.moved) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """A stored event that names the delivery `before`, which nobody stored, and is to name `after`."""

    payment_id: str
    event_id: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicting:
    """An event that was not recorded because it contradicts what is.

    Attributes:
        place: which of its delivery's events it is, from 0.
        field: what it contradicts.
        event: the event.
    """

    place: int
    field: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A delivery seen again, or one whose first disposition was a guess that proved wrong.

    Attributes:
        key: the delivery's `_id`.
        seen_by: the ids of the deliveries that brought it again. One that is counted already, because this is its
            retry, is not counted twice.
        disposition: what it is set to, None where it stays.
        seen_at_ms: when it came last.
        over: the dispositions that it takes the place of, None for any; another one stays, with all that follows here.
        payments: the ids of the payments that it leads to.
        conflicts: those of its events that contradict what is recorded.
        detail: why it has no events.
    """

    key: str
    seen_by: tuple[str, ...]
    disposition: Disposition | None
    seen_at_ms: int
    over: frozenset[Disposition] | None = None
    payments: tuple[str, ...] = ()
    conflicts: tuple[Conflicting, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aliased:
    """A payment, and the other ids it is known by."""

    source: str
    tx_id: str
    aliases: tuple[str, ...]


class Payments(Protocol):
    """Durable payments, one document each. Every write is majority and journaled when it returns."""

    def encode(self, payment: Payment) -> bytes:
        """Return the payment as it will be stored.

        Raises:
            Unstorable: it can't be.
        """

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        """Insert payments that may be new.

        Raises:
            NotDurable: the outcome of every one of them is unknown.
        """

    async def read_durable(self, ids: Sequence[str]) -> Mapping[str, Payment]:
        """Read what no fail-over can take back.

        Raises:
            NotDurable: it can't be read now.
            TooNew: some of them are of a form that is not known here.
        """

    async def find_aliased(self, wanted: Mapping[str, Collection[str]], *, rows_max: int) -> Sequence[Aliased]:
        """Find, by source, the payments that have one of these aliases or are called so, as durable as `read_durable`.

        Raises:
            NotDurable: they can't be read now.
        """

    async def read_spilled(self, wanted: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, StoredEvent]]:
        """Read events that were moved out of their payments: by payment, those of these ids that there are.

        Raises:
            NotDurable: they can't be read now.
        """

    async def read_all_spilled(self, payment_id: str) -> Sequence[StoredEvent]:
        """Read every event that was moved out of a payment; copies of events that it still holds may be among them.

        Raises:
            NotDurable: they can't be read now.
        """

    async def rename_deliveries(self, renamings: Sequence[Renaming]) -> None:
        """Let events name other deliveries, those that were moved out, too; one that names another by now stays.

        No version grows: nothing that is known of a payment changes.

        Raises:
            NotDurable: the outcome of every one of them is unknown.
        """

    async def update(self, changes: Sequence[Change]) -> int:
        """Write each change whose version still matches; return how many did.

        Raises:
            NotDurable: the outcome of every one of them is unknown.
        """


class Deliveries(Protocol):
    """Durable deliveries, content-addressed. Every write is majority and journaled when it returns."""

    def encode(self, key: str, item: Item, delivery: Delivery, disposition: Disposition, *, now_ms: int) -> bytes:
        """Return the delivery as it will be stored.

        Raises:
            Unstorable: it can't be.
        """

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        """Insert deliveries that may be new.

        Raises:
            NotDurable: the outcome of every one of them is unknown.
        """

    async def read_stored(self, keys: Collection[str]) -> set[str]:
        """Return those of these keys that are stored, in a way no fail-over can take back.

        Raises:
            NotDurable: they can't be read now.
        """

    async def repeat(self, repeats: Sequence[Repeat]) -> None:
        """Count repeats and correct dispositions.

        Raises:
            NotDurable: the outcome is unknown.
        """
