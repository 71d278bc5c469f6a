"""Group commit in front of the recorder: calls that arrive together become one write."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from mesh.batching import Batcher, BatchLimits, Observer
from mesh.metrics import Queue
from services.ledger.model import Item, ItemResult
from services.ledger.recording import Recorder


class Written(Protocol):
    """Is told of each batch that was written, for metrics."""

    def written(self, results: Sequence[ItemResult], duration_s: float) -> None:
        """A batch was answered so, after so long."""


class Intake:
    """Collects the batches of concurrent calls into the batches that are written."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        budget_s: float,
        inflight_max: int,
        observer: Observer | None = None,
        written: Written | None = None,
    ) -> None:
        """Write through `recorder`, each batch within `budget_s` seconds, `inflight_max` at once."""
        self._recorder = recorder
        self._written = written
        limits = BatchLimits(inflight_max=inflight_max, wait_s_max=budget_s, attempt_s_max=budget_s)
        self._batcher: Batcher[Sequence[Item], Sequence[ItemResult]] = Batcher(
            self._write, limits, name="the ledger", observer=observer
        )

    async def record(self, items: Sequence[Item], *, size: int) -> Sequence[ItemResult]:
        """Record one call's items, `size` bytes in all, and return their results in order.

        Raises:
            Fault: the queue is full or the budget ran out; nothing is known of the items then.
        """
        return await self._batcher.submit(items, size=size, weight=len(items))

    @property
    def queue(self) -> Queue:
        """What waits to be written, for metrics."""
        return self._batcher

    async def close(self, *, grace_s: float) -> None:
        """Finish what was accepted."""
        await self._batcher.close(grace_s=grace_s)

    async def _write(self, calls: Sequence[Sequence[Item]], timeout_s: float) -> Sequence[Sequence[ItemResult]]:
        del timeout_s  # the store's own timeouts are set from the same budget
        if len(calls) == 1:
            return [await self._record(calls[0])]
        results = await self._record([item for items in calls for item in items])
        split, start = [], 0
        for items in calls:
            split.append(results[start : start + len(items)])
            start += len(items)
        return split

    async def _record(self, items: Sequence[Item]) -> Sequence[ItemResult]:
        started = time.perf_counter()
        results = await self._recorder.record(items)
        if self._written is not None:
            self._written.written(results, time.perf_counter() - started)
        return results
