"""What the edge needs of the services behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from edge.model import Answer, Delivery


class Ingest(Protocol):
    """Takes batches of verified deliveries."""

    async def ingest(self, deliveries: Sequence[Delivery], timeout_s: float) -> Sequence[Answer]:
        """Return an answer per delivery, in order.

        Raises:
            Fault: the batch as a whole failed; its outcome is unknown.
        """


class Ledger(Protocol):
    """Reads payments."""

    async def find(self, sources: Sequence[str], tx_id: str, *, timeout_s: float) -> Sequence[dict[str, Any]]:
        """Return the payment of this id in each of the sources that knows it, ready for JSON.

        Raises:
            Fault: it can't be read now.
        """
