"""The edge's port `Ledger` in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mesh.errors import Fault


class FakeLedgerReads:
    """Knows the payments it was given.

    Attributes:
        payments: by source and id, ready for JSON.
        asked: every question, in order.
        fault: raised instead of an answer, where set.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self.payments: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[tuple[tuple[str, ...], str]] = []
        self.fault: Fault | None = None

    async def find(self, sources: Sequence[str], tx_id: str, *, timeout_s: float) -> Sequence[dict[str, Any]]:
        """Return what is known under the sources."""
        self.asked.append((tuple(sources), tx_id))
        if self.fault is not None:
            raise self.fault
        return [self.payments[source, tx_id] for source in sources if (source, tx_id) in self.payments]
