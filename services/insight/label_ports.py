"""What labels need of the outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.insight.labels import Dispute, Label, Stated
from services.insight.vectors import Seen
from services.insight.verdicts import Case


class Vectors(Protocol):
    """Durable feature vectors, in the order of the feed, for as long as labels may come."""

    async def kept(self) -> int:
        """Return the ordinal of the last payment whose vector is kept: so are those of all before it that were seen.

        Raises:
            StoreDown: nobody knows.
        """

    async def insert(self, seen: Sequence[Seen]) -> None:
        """Keep vectors whose ordinals rise; durable when it returns. What is kept already stays as it is.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
        """


class Labels(Protocol):
    """The labels of payments whose vectors are kept."""

    async def state(self, source: str, tx_id: str, label_source: str, *, label: Label, author: str) -> bool | None:
        """Set one source's label; False where it was there already, None where there is no such payment.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
            Fault: the payment has labels of too many sources.
        """

    async def labels(self, source: str, tx_id: str) -> Mapping[str, Stated] | None:
        """Return a payment's labels by their source, None where there is no such payment.

        Raises:
            StoreDown: nobody knows.
        """

    async def dispute(self, dispute: Dispute) -> bool:
        """Set what a dispute says, unless a later change has been heard; False where nothing was set.

        Raises:
            StoreDown: the outcome is unknown; doing it again is harmless.
        """


class Cases(Protocol):
    """Payments whose labels wait to count, for the one who decides."""

    async def due(self, *, covered: int, most: int) -> Sequence[Case]:
        """Return those whose labels changed first; of those with a verdict the ones where `covered` has reached it.

        Raises:
            StoreDown: nobody knows.
        """

    async def decided(self, after: int) -> tuple[int, Sequence[Case]]:
        """Return the ordinal of the last verdict there is, and the cases of those above `after`, in order.

        Raises:
            StoreDown: nobody knows.
        """

    async def decide(self, cases: Sequence[Case], *, last: int) -> bool:
        """Write the cases' verdicts and that they wait no longer, all or nothing.

        Args:
            cases: as they were read, with their new verdicts; with the one they had where nothing changes.
            last: the ordinal of the last verdict before them.

        Returns:
            False, with nothing written, where the lease is no longer ours, a label has changed meanwhile, or `last`
            isn't the last: look again.

        Raises:
            StoreDown: the outcome is unknown; `decided` tells.
        """
