"""Running deliveries that wait in the ledger's inbox through the mapping again, for example after it was fixed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from structlog.typing import FilteringBoundLogger

from mesh.errors import Fault
from services.ingest.intake import BATCH_BYTES_MAX, Intake
from services.ingest.model import Delivery
from services.ingest.ports import Inbox

_TAKEN_MAX: Final = 16
_LEASE_S: Final = 30.0
_WAIT_S: Final = 20.0
_PAUSE_S_MIN: Final = 1.0
_PAUSE_S_MAX: Final = 60.0


class Redriver:
    """Takes waiting deliveries from the ledger and takes them in like new ones."""

    def __init__(self, inbox: Inbox, intake: Intake, *, log: FilteringBoundLogger) -> None:
        """Take from `inbox`, run through `intake`."""
        self._inbox = inbox
        self._intake = intake
        self._log = log
        self._said = ""

    async def run(self) -> None:
        """Do so until cancelled. A ledger that is away, or does not grant it, is asked again, ever less often."""
        pause_s = _PAUSE_S_MIN
        while True:
            try:
                await self.once(wait_s=_WAIT_S)
                pause_s, self._said = _PAUSE_S_MIN, ""
                continue
            except Fault as fault:
                self._say_once(fault.reason, kind=fault.kind.value)
            except Exception as error:  # noqa: BLE001 - a bug here must not end what runs for as long as the process
                self._say_once(type(error).__name__, kind="bug")
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - spreads load, hides nothing
            pause_s = min(pause_s * 2, _PAUSE_S_MAX)

    def _say_once(self, reason: str, *, kind: str) -> None:
        if reason != self._said:
            self._said = reason
            self._log.warning("no redrive for now", reason=reason, kind=kind)

    async def once(self, *, wait_s: float) -> int:
        """Take what waits, run it, and return how many deliveries that were; wait up to `wait_s` for the first.

        Raises:
            Fault: the ledger can't be asked, or did not answer for what was run; that comes again.
        """
        deliveries = await self._inbox.lease(count_max=_TAKEN_MAX, lease_s=_LEASE_S, wait_s=wait_s)
        for batch in _batches(deliveries):
            answers = await self._intake.ingest(batch, timeout_s=_LEASE_S / 2)
            self._log.info(
                "redriven",
                deliveries={
                    delivery.delivery_id: answer.disposition.name.lower()
                    for delivery, answer in zip(batch, answers, strict=True)
                },
            )
        return len(deliveries)


def _batches(deliveries: Sequence[Delivery]) -> list[list[Delivery]]:
    """Cut deliveries into batches that one call of the ledger takes."""
    batches: list[list[Delivery]] = []
    left = 0
    for delivery in deliveries:
        size = len(delivery.body)
        if not batches or size > left:
            batches.append([])
            left = BATCH_BYTES_MAX
        batches[-1].append(delivery)
        left -= size
    return batches
