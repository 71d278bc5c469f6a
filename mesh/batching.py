"""Natural batching: what arrives while a batch is out is the next batch, with no timer and a bound on everything."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from mesh.errors import Fault, Kind

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_log = logging.getLogger(__name__)

_SWEEP_INTERVAL_S: Final = 0.05
_RETRY_PAUSE_S_MIN: Final = 0.03
_RETRY_PAUSE_S_MAX: Final = 0.5
# Singletons of a split batch go out a few at a time, so that one poison item can't open 256 calls at once.
_SPLIT_CONCURRENCY: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """The bounds of one batcher.

    Attributes:
        weight_max: the most items in a batch (an entry may weigh more than one item).
        batch_bytes_max: the most bytes in a batch, unless one entry alone is larger.
        inflight_max: how many batches may be out at once.
        inflight_full_max: how many where the next one is full: it gains nothing by waiting. 0 is no more. A batch whose
            oldest entry has waited half of `attempt_s_max` behind those that are out counts as full.
        queue_items_max: the most entries waiting or out, over which `submit` refuses.
        queue_bytes_max: the most bytes waiting or out, over which `submit` refuses.
        wait_s_max: how long one entry may wait for its answer in all.
        attempt_s_max: the deadline of one sending: the hop's budget, not that of its shortest item.
        retry: whether a retryable fault is tried again; true in one hop of the mesh only.
    """

    weight_max: int = 256
    batch_bytes_max: int = 1_048_576
    inflight_max: int = 2
    inflight_full_max: int = 0
    queue_items_max: int = 20_000
    queue_bytes_max: int = 67_108_864
    wait_s_max: float
    attempt_s_max: float
    retry: bool = False


class Observer(Protocol):
    """Is told of each batch, for metrics."""

    def sent(self, *, entries: int, weight: int, waited_s: float) -> None:
        """A batch went out whose oldest entry had waited so long."""


Send = Callable[[Sequence[ItemT], float], Awaitable[Sequence[ResultT]]]


class _Entry(Generic[ItemT, ResultT]):
    __slots__ = ("deadline", "future", "item", "queued_at", "size", "weight")

    def __init__(
        self,
        item: ItemT,
        future: asyncio.Future[ResultT],
        *,
        size: int,
        weight: int,
        now: float,
        wait_s: float,
    ) -> None:
        self.item = item
        self.future = future
        self.size = size
        self.weight = weight
        self.queued_at = now
        self.deadline = now + wait_s


class Batcher(Generic[ItemT, ResultT]):
    """Collects entries into batches and sends each as one call.

    A batch leaves at once while fewer than `inflight_max` are out; later entries wait for the next one to leave.
    Retries of a retryable fault live here and nowhere else; on INTERNAL the batch is split into single entries once,
    so that a poison entry fails alone. An entry that was cancelled or ran out of time is dropped before sending; one
    that was already sent may have been written all the same.
    """

    def __init__(
        self, send: Send[ItemT, ResultT], limits: BatchLimits, *, name: str, observer: Observer | None = None
    ) -> None:
        """Collect for `send(items, timeout_s)`, which answers in order or raises Fault; `name` is for messages."""
        self._send = send
        self._limits = limits
        self._name = name
        self._observer = observer
        self._queue: deque[_Entry[ItemT, ResultT]] = deque()
        self._out: dict[asyncio.Task[None], list[_Entry[ItemT, ResultT]]] = {}
        self._bytes = 0
        self._items = 0
        self._scheduled = False
        self._sweeping = False
        self._closed = False

    @property
    def waiting(self) -> tuple[int, int]:
        """Entries and bytes waiting or out."""
        return self._items, self._bytes

    @property
    def oldest_s(self) -> float:
        """Seconds that the oldest entry has waited to be sent, 0 where none waits; may be asked from any thread."""
        try:
            return max(time.monotonic() - self._queue[0].queued_at, 0.0)
        except IndexError:
            return 0.0

    def submit(self, item: ItemT, *, size: int, weight: int = 1) -> asyncio.Future[ResultT]:
        """Queue one entry of `size` bytes and return the future of its answer.

        Raises:
            Fault: EXHAUSTED when the queue is full, UNAVAILABLE after `close`.
        """
        if self._closed:
            raise self._fault(Kind.UNAVAILABLE, "OVERLOADED", "is shutting down; send it again elsewhere.")
        limits = self._limits
        if self._items >= limits.queue_items_max or self._bytes + size > limits.queue_bytes_max:
            raise self._fault(Kind.EXHAUSTED, "OVERLOADED", "has a full queue; send it again in a second.")
        loop = asyncio.get_running_loop()
        entry = _Entry(item, loop.create_future(), size=size, weight=weight, now=loop.time(), wait_s=limits.wait_s_max)
        self._queue.append(entry)
        self._items += 1
        self._bytes += size
        # One turn of the loop lets requests that were read together leave together.
        if not self._scheduled and self._may_leave():
            self._scheduled = True
            loop.call_soon(self._dispatch)
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_INTERVAL_S, self._sweep)
        return entry.future

    async def close(self, *, grace_s: float) -> None:
        """Refuse new entries, wait up to `grace_s` for those accepted, then fail the rest."""
        self._closed = True
        deadline = asyncio.get_running_loop().time() + grace_s
        while self._items and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(0.01)
        for task in self._out:
            task.cancel()
        for entries in (*self._out.values(), self._queue):
            for entry in entries:
                self._expire(entry)

    def _dispatch(self) -> None:
        self._scheduled = False
        while self._queue and self._may_leave():
            batch = self._take()
            if not batch:
                return
            task = asyncio.ensure_future(self._run(batch))
            self._out[task] = batch
            task.add_done_callback(self._returned)

    def _may_leave(self) -> bool:
        limits, out = self._limits, len(self._out)
        if out < limits.inflight_max or out >= limits.inflight_full_max:
            return out < limits.inflight_max
        # An entry weighs one or more: so many fill a batch.
        if len(self._queue) >= limits.weight_max:
            return True
        # One that hangs, at a replica that stands still, must not hold up everybody behind it.
        return asyncio.get_running_loop().time() - self._queue[0].queued_at >= limits.attempt_s_max / 2

    def _returned(self, task: asyncio.Task[None]) -> None:
        del self._out[task]
        if self._queue:
            self._dispatch()

    def _take(self) -> list[_Entry[ItemT, ResultT]]:
        """Return the next batch, without entries that nobody waits for any more."""
        limits, queue = self._limits, self._queue
        batch: list[_Entry[ItemT, ResultT]] = []
        weight = size = 0
        while queue:
            entry = queue[0]
            if entry.future.done():
                self._release(queue.popleft())
                continue
            weight += entry.weight
            size += entry.size
            if batch and (weight > limits.weight_max or size > limits.batch_bytes_max):
                break
            batch.append(queue.popleft())
        return batch

    async def _run(self, batch: list[_Entry[ItemT, ResultT]]) -> None:
        if self._observer is not None:
            waited_s = asyncio.get_running_loop().time() - batch[0].queued_at
            weight = sum(entry.weight for entry in batch)
            self._observer.sent(entries=len(batch), weight=weight, waited_s=waited_s)
        try:
            await self._deliver(batch)
        except asyncio.CancelledError:
            self._lose(batch)
            raise
        finally:
            for entry in batch:
                self._release(entry)

    async def _deliver(self, batch: list[_Entry[ItemT, ResultT]]) -> None:
        """Send until it is answered, fails for good, or nobody waits for it any more."""
        pause_s = _RETRY_PAUSE_S_MIN
        while live := [entry for entry in batch if not entry.future.done()]:
            fault = await self._attempt(live)
            if fault is None:
                return
            if fault.retryable and self._limits.retry:
                # Full jitter: replicas that failed together must not come back together.
                await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - spreads load, hides nothing
                pause_s = min(pause_s * 2, _RETRY_PAUSE_S_MAX)
            elif fault.kind is Kind.INTERNAL and len(live) > 1:
                await self._split(live)
                return
            else:
                if not fault.retryable:
                    _log.warning("a batch to %s failed for good: %s: %s", self._name, fault.kind.value, fault)
                _fail(live, fault)
                return

    async def _attempt(self, live: list[_Entry[ItemT, ResultT]]) -> Fault | None:
        try:
            results = await self._send([entry.item for entry in live], self._limits.attempt_s_max)
        except Fault as fault:
            return fault
        except Exception:  # noqa: BLE001 - logged here, and answered
            # A bug in `send` must answer its entries, not strand them; its text is for the log, not for the caller.
            _log.exception("unhandled error in a batch to %s", self._name)
            return self._fault(Kind.INTERNAL, "INTERNAL", "failed; the log has the traceback at this time.")
        if len(results) != len(live):
            return self._fault(Kind.INTERNAL, "INTERNAL", f"got {len(results)} answers to {len(live)} entries.")
        for entry, result in zip(live, results, strict=True):
            if not entry.future.done():
                entry.future.set_result(result)
        return None

    async def _split(self, live: list[_Entry[ItemT, ResultT]]) -> None:
        gate = asyncio.Semaphore(_SPLIT_CONCURRENCY)

        async def alone(entry: _Entry[ItemT, ResultT]) -> None:
            async with gate:
                try:
                    fault = None if entry.future.done() else await self._attempt([entry])
                except asyncio.CancelledError:
                    self._lose([entry])
                    raise
            if fault is not None:
                _fail([entry], fault)

        # One that is lost ends nothing: the batch is out, and counts as that, until the last of the others is back.
        await asyncio.gather(*(alone(entry) for entry in live), return_exceptions=True)

    def _sweep(self) -> None:
        """Fail what ran out of time. Every entry has the same wait, so that the oldest stand first."""
        now, queue = asyncio.get_running_loop().time(), self._queue
        for batch in self._out.values():
            for entry in itertools.takewhile(lambda entry: entry.deadline <= now, batch):
                self._expire(entry)
        # What waits holds bytes of the queue's bound; while no batch comes back, nobody else would free them.
        while queue and (queue[0].future.done() or queue[0].deadline <= now):
            entry = queue.popleft()
            self._expire(entry)
            self._release(entry)
        if queue:
            self._dispatch()
        self._sweeping = bool(queue or self._out)
        if self._sweeping:
            asyncio.get_running_loop().call_later(_SWEEP_INTERVAL_S, self._sweep)

    def _expire(self, entry: _Entry[ItemT, ResultT]) -> None:
        if not entry.future.done():
            message = f"did not answer within {self._limits.wait_s_max:g} s; send it again, it can't be doubled."
            _fail([entry], self._fault(Kind.TIMEOUT, "NOT_DURABLE", message))

    def _lose(self, entries: list[_Entry[ItemT, ResultT]]) -> None:
        # A closed channel cancels its calls; whoever waits must not be left to the timeout.
        message = "lost the call; send it again, it can't be doubled."
        _fail(entries, self._fault(Kind.UNAVAILABLE, "NOT_DURABLE", message))

    def _release(self, entry: _Entry[ItemT, ResultT]) -> None:
        self._items -= 1
        self._bytes -= entry.size

    def _fault(self, kind: Kind, reason: str, message: str) -> Fault:
        return Fault(kind=kind, reason=reason, message=f"{self._name} {message}", retry_after_s=1.0)


def _fail(entries: Sequence[_Entry[ItemT, ResultT]], fault: Fault) -> None:
    for entry in entries:
        if not entry.future.done():
            entry.future.set_exception(fault)
