"""Keeping: each payment's feature vector as it was when the payment was learnt, for the day a label comes."""

from __future__ import annotations

import asyncio
from typing import Final

from services.insight.knowledge import look
from services.insight.label_ports import Vectors
from services.insight.model import Payment
from services.insight.profile import Profile, prior_of
from services.insight.vectors import Seen, pack

# So many vectors are one document: few enough that it is quickly made and read.
_CHUNK: Final = 512


class VectorKeeper:
    """Collects vectors and stores them many at a time. Whoever saves profiles saves vectors first.

    What was never stored is lost with the process, and so are the profiles that learnt of it: the payment is read,
    looked at and learnt again. What was stored stays, whatever is made of the payment later.
    """

    def __init__(self, store: Vectors, *, kept: bool) -> None:
        """Keep them in `store`; with `kept` false keep none."""
        self._store = store
        self._kept = kept
        self._seen: list[Seen] = []
        self._kept_to = 0
        self._saving = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._seen)

    async def begin(self) -> None:
        """Find out what is kept already; call before anything is seen again.

        Raises:
            StoreDown: nobody knows.
        """
        if self._kept:
            self._kept_to = await self._store.kept()

    def see(
        self, payment: Payment, sender: Profile | None, receiver: Profile | None, population: Profile, sequence: int
    ) -> None:
        """Look at a payment that is about to be learnt as the one of this ordinal."""
        if self._kept and sequence > self._kept_to:
            self._seen.append((sequence, payment, pack(look(payment, sender, receiver, prior_of(population)))))

    def forget(self) -> None:
        """Drop what is not stored, as what was learnt of it is dropped."""
        self._seen.clear()

    async def save(self) -> None:
        """Store everything that was seen before this call.

        Raises:
            StoreDown: the outcome is unknown; storing the same again is harmless.
        """
        async with self._saving:
            seen = self._seen
            for _ in range(0, len(seen), _CHUNK):
                await self._store.insert(seen[:_CHUNK])
                del seen[:_CHUNK]
