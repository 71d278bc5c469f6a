"""Takes payments from the ledger's queue, has them explained, and gives back what came of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from mesh.errors import Fault
from mesh.logs import error_fields
from services.insight.disclosing import Group, grouped
from services.insight.explanation import Explanation, Outcome, Unexplained
from services.insight.gate import Gate, Passage
from services.insight.model_ports import AnalysisQueue, Explainer, ModelDown, Task
from services.insight.pause import pause

T = TypeVar("T")

_WAIT_S: Final = 10.0
# What is left of a lease for telling the ledger.
_MARGIN_S: Final = 2.0
_PAUSE_S: Final = 2.0
_COMPLETIONS_MAX: Final = 4
_AGE_LOOK_S: Final = 15.0


class ExplainingObserver(Protocol):
    """Is told of the queue and of what came of it, for metrics."""

    def explained(self, outcome: str) -> None:
        """One payment ended so: "explained", "failed" or "lost"."""

    def queue_age(self, age_s: float) -> None:
        """The payment that waits longest was recorded so long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainingLimits:
    """Bounds of the worker.

    Attributes:
        slots: leases worked on at once.
        batch_max: payments per lease and per request.
        lease_s: how long a lease lasts.
        timeout_s: how long one request may take, its retries included.
    """

    slots: int
    batch_max: int
    lease_s: float
    timeout_s: float


class ExplainingWorker:
    """Works until it is closed. What it doesn't finish comes to another worker when its lease ends."""

    def __init__(
        self,
        queue: AnalysisQueue,
        explainer: Explainer,
        gate: Gate,
        limits: ExplainingLimits,
        *,
        observer: ExplainingObserver,
        log: FilteringBoundLogger,
    ) -> None:
        """Take from `queue` what `explainer` explains while `gate` is open."""
        self._queue = queue
        self._explainer = explainer
        self._gate = gate
        self._limits = limits
        self._observer = observer
        self._log = log
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, in tasks of its own."""
        self._tasks = [asyncio.create_task(self._slot()) for _ in range(self._limits.slots)]
        self._tasks.append(asyncio.create_task(self._watch_age()))

    async def close(self, *, grace_s: float) -> None:
        """Lease nothing more, finish what was leased within `grace_s`, and end."""
        self._stopping.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _slot(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._turn()
            except Fault as error:
                self._log.warning("explaining_paused", reason=error.reason, message=error.message[:200])
                await self._rest(_PAUSE_S)
            except Exception as error:  # noqa: BLE001 - a bug in one lease must not end all explaining
                self._log.error("explaining_failed", **error_fields(error))
                await self._rest(_PAUSE_S)

    async def _turn(self) -> None:
        limits = self._limits
        await self._unless_stopping(self._gate.wait())
        if self._stopping.is_set():
            return
        with self._gate.entered() as passage:
            if passage is None:
                return
            most = limits.batch_max if passage is Passage.CALLS else 1
            leasing = self._queue.lease(tasks_max=most, lease_s=limits.lease_s, wait_s=_WAIT_S)
            tasks = await self._unless_stopping(leasing)
            if tasks:
                # Half a lease is a backlog, too: slots that ask at once share what waits.
                await self._work(tasks, backlog=most > 1 and len(tasks) * 2 >= most)

    async def _unless_stopping(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Wait for work, but not once the worker is to stop; what was leased in that moment comes again later."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            stopping.cancel()

    async def _work(self, tasks: Sequence[Task], *, backlog: bool) -> None:
        deadline = time.monotonic() + self._limits.lease_s - _MARGIN_S
        by_subject = {id(task.subject): task for task in tasks}
        down = ""
        for group in grouped([task.subject for task in tasks], backlog=backlog):
            left_s = deadline - time.monotonic()
            if not down and left_s < self._limits.timeout_s:
                down = "there was no time left under the lease"
            outcomes: Sequence[Outcome] = [Unexplained(reason=down)] * len(group.subjects)
            if not down:
                try:
                    outcomes = await self._explainer.explain(group, within_s=left_s)
                except ModelDown as error:
                    down = str(error)
                    outcomes = [Unexplained(reason=down)] * len(group.subjects)
                    self._log.warning("model_down", code=error.code, reason=down)
            await self._complete(group, outcomes, by_subject, deadline + _MARGIN_S)

    async def _complete(
        self, group: Group, outcomes: Sequence[Outcome], by_subject: dict[int, Task], deadline: float
    ) -> None:
        for subject, outcome in zip(group.subjects, outcomes, strict=True):
            stored = await self._store(by_subject[id(subject)], outcome, deadline)
            if not stored:
                self._observer.explained("lost")
            else:
                self._observer.explained("explained" if isinstance(outcome, Explanation) else "failed")

    async def _store(self, task: Task, outcome: Outcome, deadline: float) -> bool:
        for attempt in range(1, _COMPLETIONS_MAX + 1):
            try:
                return await self._queue.complete(task, outcome)
            except Fault as error:
                if not error.retryable or attempt == _COMPLETIONS_MAX or time.monotonic() > deadline:
                    self._log.warning("analysis_not_stored", reason=error.reason, message=error.message[:200])
                    return False
                await pause(0.2 * 2**attempt)
        return False

    async def _watch_age(self) -> None:
        while not self._stopping.is_set():
            with suppress(Fault):
                oldest_ms = await self._unless_stopping(self._queue.oldest_queued_ms())
                self._observer.queue_age(max(time.time() - oldest_ms / 1000, 0.0) if oldest_ms else 0.0)
            await self._rest(_AGE_LOOK_S)

    async def _rest(self, rest_s: float) -> None:
        """Do nothing for so long, or until the worker is to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), rest_s)
