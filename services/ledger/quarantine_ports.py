"""What the quarantine needs of storage, and the values it speaks in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.ledger.dispositions import Resolution
from services.ledger.model import Delivery, Disposition
from services.ledger.ports import Conflicting
from services.ledger.read_ports import RowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One decision about a delivery: how it ended, who decided, why, and when (ms since the Unix epoch)."""

    resolution: Resolution
    author: str
    note: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelivery:
    """A delivery as it is kept. Times are milliseconds since the Unix epoch.

    Attributes:
        id: `{source}:{sha256 of the body}`.
        source: its source.
        delivery_id: what the edge stamped on it when it first came.
        delivery: the request; without its body and headers where they were not asked for.
        disposition: what became of it.
        detail: why, where it has no events.
        count: how often the same bytes came.
        recorded_at_ms: when it was first recorded.
        last_seen_at_ms: when it last came.
        payments: the ids of the payments it led to.
        conflicts: its events that contradict what is recorded; those that can't be accepted are left out.
        conflict_count: how many contradict.
        resolutions: what people decided, oldest first.
        erased: whether its bytes were erased.
        lease_count: how often it was handed out since it began to wait.
    """

    id: str
    source: str
    delivery_id: str
    delivery: Delivery
    disposition: Disposition
    detail: str
    count: int
    recorded_at_ms: int
    last_seen_at_ms: int
    payments: tuple[str, ...]
    conflicts: tuple[Conflicting, ...]
    conflict_count: int
    resolutions: tuple[Resolved, ...]
    erased: bool
    lease_count: int

    @property
    def key(self) -> RowKey:
        """Where it stands in a list."""
        return RowKey(recorded_at_ms=self.recorded_at_ms, id=self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryScan:
    """A walk through deliveries, newest first.

    Attributes:
        dispositions: those wanted.
        source: only this source, empty for any.
        received_since_ms: received at or after, 0 for no bound.
        after: the row to start behind, None for the first.
        rows_max: the most rows returned.
        body: whether bytes and headers are read.
    """

    dispositions: frozenset[Disposition]
    source: str
    received_since_ms: int
    after: RowKey | None
    rows_max: int
    body: bool


class KeptDeliveries(Protocol):
    """Durable deliveries as people and the re-drive see them."""

    async def find(self, delivery_key: str, *, body: bool) -> KeptDelivery | None:
        """Return one delivery, None where there is none.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached now.
        """

    async def scan(self, scan: DeliveryScan) -> Sequence[KeptDelivery]:
        """Return the next rows of a walk.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached now.
        """

    async def resolve(
        self, delivery_key: str, *, before: Disposition, after: Disposition, resolved: Resolved
    ) -> KeptDelivery | None:
        """Move a delivery from one disposition to another and keep the decision; None where it has moved already.

        Raises:
            NotDurable: whether it moved is unknown.
        """

    async def lease(self, *, count_max: int, lease_ms: int) -> Sequence[KeptDelivery]:
        """Take waiting deliveries whose time has come, for so long by the server's clock, longest waiting first.

        Each time one is taken, the time until it comes again doubles, up to an hour. After some eight days it is no
        longer handed out: it is unprocessable then, for a person to look at.

        Raises:
            NotDurable: which were taken is unknown; they come again.
        """
