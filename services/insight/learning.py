"""Learning: one replica follows the ledger's feed and teaches each profile every new payment exactly once.

Profiles are absolute values that carry the ordinal of the last change in them; the position in the feed is
stored after the profiles it covers. So a crash between the two, or in the middle of either, only means that
changes are read again whose ordinal says they are known already. What a dispute says of a payment is stored as its
label before the position passes it; judging makes of labels what counts.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from mesh.errors import Fault, Kind
from mesh.logs import error_fields
from services.insight.cache import ProfileCache
from services.insight.judging import Jury
from services.insight.keeping import VectorKeeper
from services.insight.knowledge import teach
from services.insight.label_ports import Labels
from services.insight.labels import Dispute, Label
from services.insight.model import Page, Payment, Position
from services.insight.pause import pause
from services.insight.ports import Feed, StoreDown
from services.insight.saving import LeaseLost, Saver
from services.insight.scoring import account_key, population_key

# A stretch of the feed that begins without a token begins above every ordinal given before: what comes then
# is new, even if the last process ended before it had stored a token.
_ERA: Final = 1 << 40
# So many payments are taken in before scoring gets a turn of the loop.
_SLICE: Final = 256
_PAUSE_AFTER_BUG_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningLimits:
    """The bounds of learning.

    Attributes:
        flush_s: how often changed profiles are saved.
        dirty_max: the most changed profiles in memory before reading waits for them to be saved.
        vectors_s: how often feature vectors are stored: labels find a payment so much later.
        vectors_max: the most vectors in memory before reading waits for them to be stored.
        acquire_s: the longest that a replica without the lease waits before it asks again.
    """

    flush_s: float = 2.0
    dirty_max: int = 50_000
    vectors_s: float = 1.0
    vectors_max: int = 2_048
    acquire_s: float = 5.0


class Observer(Protocol):
    """Is told of what was learnt, for metrics."""

    def learnt(self, *, changes: int, payments: Sequence[Payment]) -> None:
        """So many changes were taken in, and with them these payments, the newest last."""

    def leading(self, *, holds: bool) -> None:
        """This replica has, or hasn't any more, the lease."""

    def labelled(self, label: Label, *, by: str) -> None:
        """A label of this origin changed."""


class Learner:
    """Learns while it holds the lease, waits for it while another replica does."""

    def __init__(
        self,
        *,
        feed: Feed,
        saver: Saver,
        profiles: ProfileCache,
        keeper: VectorKeeper,
        labels: Labels,
        jury: Jury,
        limits: LearningLimits,
        log: FilteringBoundLogger,
        observer: Observer,
    ) -> None:
        """Teach `profiles` what `feed` tells."""
        self._feed = feed
        self._saver = saver
        self._profiles = profiles
        self._keeper = keeper
        self._labels = labels
        self._jury = jury
        self._limits = limits
        self._log = log
        self._observer = observer
        self._position = Position(token="", sequence=0)

    async def run(self) -> None:
        """Learn until cancelled; then `close` saves what is left."""
        while True:
            position = await self._saver.patiently(self._saver.take)
            if position is None:
                await pause(self._limits.acquire_s)
                continue
            self._begin(position)
            # In a task of its own: a group that fails in the moment it is cancelled tells of the failure only.
            well = await asyncio.create_task(self._lead())
            self._end()
            _stop_if_cancelled()
            if not well:
                await asyncio.sleep(_PAUSE_AFTER_BUG_S)

    async def _lead(self) -> bool:
        """Learn until the lease is lost, or until a bug, which is False."""
        well = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._saver.keep())
                tasks.create_task(self._keep_flushing())
                tasks.create_task(self._keep_storing_vectors())
                tasks.create_task(self._jury.run())
                tasks.create_task(self._saver.patiently(self._profiles.read_all))
                tasks.create_task(self._learn())
        except* LeaseLost:
            self._log.warning("learning_lease_lost")
        except* Exception as bugs:  # noqa: BLE001 - scoring goes on without learning, and the log says so
            self._log.error("learning_failed", traceback="".join(traceback.format_exception(bugs)))
            well = False
        return well

    async def close(self, *, grace_s: float) -> None:
        """Save what is left and let another replica go on; call after `run` was cancelled."""
        if not self._saver.holds:
            return
        try:
            async with asyncio.timeout(grace_s):
                await self._flush()
                await self._saver.give_back()
        except (TimeoutError, StoreDown, LeaseLost) as error:
            # What wasn't saved is read again by the next holder, from the position stored last.
            self._log.warning("learning_not_flushed", **error_fields(error))
        self._end()

    def _begin(self, position: Position) -> None:
        # Copies in memory may be older than what the last holder saved.
        self._profiles.reset(learning=True)
        self._keeper.forget()
        self._jury.begin(position.judgement)
        self._position = position
        self._observer.leading(holds=True)
        self._log.info("learning", resumes=bool(position.token), sequence=position.sequence)

    def _end(self) -> None:
        self._saver.forget()
        self._profiles.reset(learning=False)
        self._keeper.forget()
        self._observer.leading(holds=False)

    async def _flush(self, *, over_s: float = 0.0) -> None:
        await self._saver.flush(lambda: replace(self._position, judgement=self._jury.judgement()), over_s=over_s)

    async def _keep_flushing(self) -> None:
        half_s = self._limits.flush_s / 2
        while True:
            await asyncio.sleep(half_s)
            began_s = time.monotonic()
            await self._saver.patiently(partial(self._flush, over_s=half_s))
            await asyncio.sleep(max(0.0, began_s + half_s - time.monotonic()))

    async def _keep_storing_vectors(self) -> None:
        while True:
            await asyncio.sleep(self._limits.vectors_s)
            await self._saver.patiently(self._keeper.save)

    async def _learn(self) -> None:
        await self._saver.patiently(self._keeper.begin)
        while True:
            if not self._position.token:
                await self._begin_era()
            try:
                async with aclosing(self._feed.follow(self._position.token)) as pages:
                    async for page in pages:
                        await self._take_in(page)
            except Fault as fault:
                if fault.kind not in {Kind.OUT_OF_RANGE, Kind.INVALID}:
                    raise
                self._log.warning("feed_gap", reason=fault.reason, consequence="payments in between teach nothing")
                self._position = Position(token="", sequence=self._position.sequence)

    async def _begin_era(self) -> None:
        era = self._position.sequence // _ERA + 1
        self._position = Position(token="", sequence=era * _ERA)
        # Stored before anything of it is learnt.
        await self._saver.patiently(self._flush)

    async def _take_in(self, page: Page) -> None:
        sequence = self._position.sequence
        for start in range(0, len(page.payments), _SLICE):
            payments = page.payments[start : start + _SLICE]
            keys = [_keys_of(payment) for payment in payments]
            await self._saver.patiently(partial(self._profiles.require, {*chain.from_iterable(keys)} - {""}))
            for payment, its_keys in zip(payments, keys, strict=True):
                sequence += 1
                self._teach(payment, its_keys, sequence)
            if len(self._keeper) >= self._limits.vectors_max:
                await self._saver.patiently(self._keeper.save)
            if len(self._profiles.dirty) >= self._limits.dirty_max:
                await self._saver.patiently(self._flush)
        if page.disputes:
            await self._hear(page.disputes)
        # Only now: a position stored in the middle of a page would pair its ordinal with an earlier token.
        self._position = Position(token=page.token, sequence=sequence)
        self._observer.learnt(changes=page.changes, payments=page.payments)

    async def _hear(self, disputes: Sequence[Dispute]) -> None:
        """Label what is disputed as fraud, after the payments that were learnt just before can be found."""
        await self._saver.patiently(self._keeper.save)
        for dispute in disputes:
            if await self._saver.patiently(partial(self._labels.dispute, dispute)):
                self._observer.labelled(dispute.label, by="dispute")

    def _teach(self, payment: Payment, keys: tuple[str, str, str], sequence: int) -> None:
        sender_key, receiver_key, population_key = keys
        get, dirty = self._profiles.get, self._profiles.dirty
        sender = get(sender_key) if sender_key else None
        receiver = get(receiver_key) if receiver_key else None
        population = get(population_key)
        if population is not None:
            self._keeper.see(payment, sender, receiver, population, sequence)
            if population.sequence < sequence:
                dirty[population_key] = population
        # What contains the payment already was saved with it.
        if sender is not None and sender.sequence < sequence:
            dirty[sender_key] = sender
        if receiver is not None and receiver.sequence < sequence:
            dirty[receiver_key] = receiver
        teach(payment, sender, receiver, population, sequence)


def _stop_if_cancelled() -> None:
    """End a task that was told to end while it waited for another one, whatever that one made of it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _keys_of(payment: Payment) -> tuple[str, str, str]:
    source, sender, receiver = payment.source, payment.sender, payment.receiver
    return (
        account_key(source, sender) if sender else "",
        account_key(source, receiver) if receiver else "",
        population_key(source),
    )
