"""What waits in the ledger's inbox is taken in again like new, whatever the ledger is up to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from mesh.errors import Fault, Kind
from services.ingest.model import Delivery, DeliveryMessage
from services.ingest.redriving import Redriver
from tests.fakes.virtual_time import run_virtual
from tests.unit.ingest.rig import Rig


def waiting(number: int, *, size: int = 10) -> Delivery:
    """A delivery of the partner's, of so many bytes."""
    return Delivery(
        delivery_id=f"d-{number}",
        source="partner",
        provider="partner",
        body=b" " * size + b"1",
        headers={},
        received_at_ms=1,
        traceparent="",
        message=DeliveryMessage(object()),
    )


class Inbox:
    """Hands out what it is given, one batch per question, and faults as told."""

    def __init__(self, *batches: Sequence[Delivery] | Exception) -> None:
        """Hand these out in order, then nothing for ever."""
        self.batches = list(batches)
        self.asked: list[float] = []

    async def lease(self, *, count_max: int, lease_s: float, wait_s: float) -> Sequence[Delivery]:
        """Return the next batch."""
        self.asked.append(asyncio.get_running_loop().time())
        if not self.batches:
            await asyncio.sleep(wait_s)
            return ()
        batch = self.batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return batch


async def test_what_waits_is_taken_in_again() -> None:
    """Leased deliveries reach the ledger as new ones do, in calls no larger than it takes."""
    rig = Rig()
    inbox = Inbox([waiting(number, size=200_000) for number in range(12)])
    taken = await Redriver(inbox, rig.intake, log=rig.intake._log).once(wait_s=1)
    assert taken == 12
    assert [entry.delivery.delivery_id for entry in rig.ledger.entries] == [f"d-{number}" for number in range(12)]
    assert len(rig.ledger.timeouts_s) == 3


def test_a_ledger_that_is_away_is_asked_ever_less_often() -> None:
    """Faults are waited out with growing pauses, said once, and followed by work as before."""

    async def story() -> tuple[Inbox, Rig, str]:
        rig = Rig()
        away = [Fault(kind=Kind.UNAVAILABLE, reason="DEPENDENCY_DOWN", message="away") for _ in range(8)]
        inbox = Inbox(*away, ValueError("a bug"), [waiting(1)])
        running = asyncio.create_task(Redriver(inbox, rig.intake, log=rig.intake._log).run())
        await asyncio.sleep(600)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return inbox, rig, await rig.logged()

    inbox, rig, logged = run_virtual(story())
    pauses = [later - earlier for earlier, later in zip(inbox.asked, inbox.asked[1:], strict=False)][:8]
    assert pauses[0] <= 1
    assert pauses[6] > 20
    assert all(pause <= 60 for pause in pauses)
    assert [entry.delivery.delivery_id for entry in rig.ledger.entries] == ["d-1"]
    assert logged.count("no redrive for now") == 2
    assert len(inbox.asked) > 12
