"""The edge's port `Ingest` in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from edge.model import Answer, Delivery, Disposition, EventAnswer, Outcome
from mesh.errors import Fault


def answered(
    outcome: Outcome = Outcome.CREATED,
    *,
    disposition: Disposition = Disposition.RECORDED,
    durable: bool = True,
    conflict_field: str = "",
) -> Answer:
    """Return the answer to a delivery of one event."""
    event = EventAnswer(
        tx_id="T-1",
        event_id="e-1",
        outcome=outcome,
        transaction_status="success",
        version=1,
        conflict_field=conflict_field,
        risk={"score": 0.1, "level": "low", "reasons": []},
    )
    return Answer(disposition=disposition, durable=durable, events=(event,), reason="", errors=())


def without_events(
    disposition: Disposition,
    *,
    durable: bool = True,
    reason: str = "",
    errors: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Return the answer to a delivery that led to no payment."""
    return Answer(disposition=disposition, durable=durable, events=(), reason=reason, errors=tuple(errors))


class FakeIngest:
    """Answers as it was told, and remembers what it was given.

    Attributes:
        deliveries: everything that arrived, in order.
        answer: makes the answer to a delivery.
        fault: raised instead of an answer, where set.
        gate: where set, nothing is answered until it is.
    """

    def __init__(self) -> None:
        """Answer CREATED to everything, at once."""
        self.deliveries: list[Delivery] = []
        self.batches = 0
        self.answer: Callable[[Delivery], Answer] = lambda delivery: answered()
        self.fault: Fault | None = None
        self.gate: asyncio.Event | None = None

    async def ingest(self, deliveries: Sequence[Delivery], timeout_s: float) -> Sequence[Answer]:
        """Take one batch."""
        self.batches += 1
        self.deliveries.extend(deliveries)
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return [self.answer(delivery) for delivery in deliveries]
