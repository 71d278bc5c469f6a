"""The port `Deliveries` in memory: encoded as for MongoDB, and failing as it was told."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import bson
from bson import DatetimeMS, Int64

from services.ledger.adapters.documents import CODEC, DISPOSITIONS, encode, of_delivery
from services.ledger.model import Delivery, Disposition, Item, NotDurable
from services.ledger.ports import Inserted, Repeat


class MemoryDeliveries:
    """Deliveries in a dictionary of documents.

    Attributes:
        documents: what is stored, by key.
        calls: the operations asked for, in order.
        refused: keys that storage refuses for good.
        delay_s: how long an insert takes.
    """

    def __init__(self) -> None:
        """Begin empty and in good health."""
        self.documents: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.refused: set[str] = set()
        self.delay_s = 0.0
        self._failing: set[str] = set()

    def fail(self, *operations: str) -> None:
        """Let operations do their work and then lose their answer, until `heal`."""
        self._failing.update(operations)

    def heal(self) -> None:
        """Answer again."""
        self._failing.clear()

    def encode(self, key: str, item: Item, delivery: Delivery, disposition: Disposition, *, now_ms: int) -> bytes:
        """Return the delivery's document as MongoDB would get it."""
        return encode(of_delivery(key, item, delivery, disposition, now_ms=now_ms))

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        """Insert documents whose key is free."""
        await asyncio.sleep(self.delay_s)
        existing, unstorable = set(), set()
        for position, each in enumerate(encoded):
            document = bson.decode(each, CODEC)
            if document["_id"] in self.refused:
                unstorable.add(position)
            elif document["_id"] in self.documents:
                existing.add(position)
            else:
                self.documents[document["_id"]] = document
        self._done("insert_new")
        return Inserted(existing=frozenset(existing), unstorable=frozenset(unstorable))

    async def read_stored(self, keys: Collection[str]) -> set[str]:
        """Return those that exist."""
        self._done("read_stored")
        return {key for key in keys if key in self.documents}

    async def repeat(self, repeats: Sequence[Repeat]) -> None:
        """Count and correct those that exist."""
        for repeat in repeats:
            document = self.documents.get(repeat.key)
            if document is None:
                continue
            document["last_seen_at"] = DatetimeMS(repeat.seen_at_ms)
            counted = {document["delivery_id"], document.get("last_delivery_id")}
            for delivery_id in repeat.seen_by:
                if delivery_id not in counted:
                    document["count"] = Int64(document["count"] + 1)
                    document["last_delivery_id"] = delivery_id
            over = repeat.over if repeat.over is not None else frozenset(Disposition)
            if repeat.disposition is not None and Disposition[document["disposition"].upper()] in over:
                document["disposition"] = DISPOSITIONS[repeat.disposition]
                document["detail"] = repeat.detail
            document["transactions"] = sorted({*document["transactions"], *repeat.payments})
        self._done("repeat")

    def _done(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self._failing:
            raise NotDurable(f"{operation} got no answer")
