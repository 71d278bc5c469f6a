"""Originals: that a fact told again in other bytes still names a delivery whose bytes are stored.

Payments and deliveries are inserted side by side. Where only the payment gets there nobody is acknowledged, and a retry
brings what is missing, if its bytes are the same. A sender that signs its body anew brings others: then the fact would
name bytes that nobody stored. Such a retry takes the place of the delivery that failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from services.ledger.batch_work import Work
from services.ledger.model import Failure
from services.ledger.ports import Deliveries, Payments, Renaming

# Far more than a batch's write may take: whoever brought the fact so long ago has been answered.
_ON_ITS_WAY_MS: Final = 5_000
_PAUSES_S: Final = (0.0, 0.03)


class Originals:
    """Looks after the deliveries that repeated facts came with first."""

    def __init__(self, payments: Payments, deliveries: Deliveries) -> None:
        """Look in these stores."""
        self._payments = payments
        self._deliveries = deliveries

    async def look_after(self, works: Sequence[Work], now_ms: int) -> None:
        """Make sure that the facts these items repeat in other bytes name a delivery that is stored.

        An original that is missing may be on its way still: then the item fails as not durable, and comes again.

        Raises:
            NotDurable: nobody knows.
        """
        repeated = [
            (work, payment_id, stored)
            for work in works
            if work.repeats and work.failure is None and work.delivery_key
            for payment_id, stored in work.repeats.values()
            if stored.delivery not in {"", work.delivery_key}
        ]
        missing = await self._missing({stored.delivery for _, _, stored in repeated})
        renamings = []
        for work, payment_id, stored in repeated:
            if stored.delivery not in missing:
                continue
            if now_ms - stored.recorded_at_ms < _ON_ITS_WAY_MS:
                work.fail(Failure.NOT_DURABLE)
                continue
            event_id = stored.event.event_id
            renamings.append(
                Renaming(payment_id=payment_id, event_id=event_id, before=stored.delivery, after=work.delivery_key)
            )
        if renamings:
            await self._payments.rename_deliveries(renamings)

    async def _missing(self, keys: set[str]) -> set[str]:
        """Return those that are not stored, not even after a moment: the batch beside this one may bring them."""
        for pause_s in _PAUSES_S:
            if not keys:
                break
            await asyncio.sleep(pause_s)
            keys -= await self._deliveries.read_stored(keys)
        return keys
