"""The queue of analyses: payments handed out one worker each, ended by an analysis, a failure, or time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from mesh.errors import Fault, Kind
from services.ledger.analysis import Analysis, AnalysisState
from services.ledger.model import NotDurable
from services.ledger.read_ports import Found

_POLL_S: Final = 0.25
_TOKEN_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One payment to analyse: until when by the server's clock (ms since the Unix epoch), and which attempt it is."""

    found: Found
    until_ms: int
    attempt: int


class AnalysisQueue(Protocol):
    """The queue in storage, timed by the server's clock. Nothing of it changes a payment's version."""

    async def lease(self, *, count_max: int, lease_ms: int, token: str, worker: str) -> Sequence[Task]:
        """Hand out tasks that are due, longest waiting first; park those whose last attempt ran out of time.

        Raises:
            NotDurable: which were handed out is unknown; they come again.
        """

    async def complete(
        self, payment_id: str, token: str, result: Analysis | str, *, final: bool
    ) -> AnalysisState | None:
        """Store an analysis, or why there is none, under the lease with this token; return where it stands then.

        A `final` failure parks the payment.

        The same completion again returns the same; None where the lease is lost, or there never was one.

        Raises:
            NotDurable: whether it is stored is unknown.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """Tasks, and the token that names their lease."""

    token: str
    tasks: Sequence[Task]


class Analysing:
    """Hands out tasks and takes what came of them."""

    def __init__(self, queue: AnalysisQueue, *, log: FilteringBoundLogger) -> None:
        """Work on `queue`."""
        self._queue = queue
        self._log = log

    async def lease(self, *, worker: str, count_max: int, lease_ms: int, wait_s: float) -> Leased:
        """Hand out tasks, each to one worker for `lease_ms`; wait up to `wait_s` for the first.

        Raises:
            Fault: UNAVAILABLE, storage can't be reached.
        """
        token = secrets.token_hex(_TOKEN_BYTES)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            try:
                tasks = await self._queue.lease(count_max=count_max, lease_ms=lease_ms, token=token, worker=worker)
            except NotDurable as error:
                raise _not_durable() from error
            left_s = deadline - loop.time()
            if tasks or left_s <= 0:
                return Leased(token=token, tasks=tasks)
            await asyncio.sleep(min(_POLL_S, left_s))

    async def complete(
        self, source: str, tx_id: str, token: str, result: Analysis | str, *, final: bool = False
    ) -> AnalysisState:
        """End a task with an analysis, or with the reason why there is none; return where it stands then.

        A `final` failure parks the payment, since trying again can't help.

        Raises:
            Fault: LOST_RACE with reason LEASE_LOST, another worker may have the task; UNAVAILABLE.
        """
        try:
            state = await self._queue.complete(f"{source}:{tx_id}", token, result, final=final)
        except NotDurable as error:
            raise _not_durable() from error
        if state is None:
            raise Fault(
                kind=Kind.LOST_RACE,
                reason="LEASE_LOST",
                message="The lease is lost: its time ran out, and the task is another worker's or parked.",
                metadata={"tx_id": tx_id},
            )
        if state is AnalysisState.PARKED:
            self._log.warning("analysis parked", source=source, tx_id=tx_id, error=result)
        return state


def _not_durable() -> Fault:
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="NOT_DURABLE",
        message="Whether it was written is unknown; send the same request again, it can't be doubled.",
        retry_after_s=1.0,
    )
