"""Settling: events of payments that exist are classified against what is stored, and written under its version."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from services.ledger.analysis import queued
from services.ledger.analysis_policy import Selects
from services.ledger.batch_work import Group
from services.ledger.folding import NONE_SPILLED
from services.ledger.model import Failure, Payment, StoredEvent, Unstorable
from services.ledger.ports import Change, Payments
from services.ledger.schema import TooNew
from services.ledger.spilling import change_of

_ROUNDS_MAX: Final = 3
# A duplicate key whose document no majority has yet is another writer's insert on its way: give it a moment.
_ROUND_PAUSE_S: Final = 0.01
_DOCUMENT: Final = "document"


class Settler:
    """Answers events of payments that exist."""

    def __init__(self, payments: Payments, selects: Selects | None = None) -> None:
        """Read and write these payments; those that `selects` are queued for analysis, once."""
        self._payments = payments
        self._selects = selects

    async def settle(self, groups: Sequence[Group], now_ms: int) -> None:
        """Answer every event of these groups, and of those behind them, or fail its item.

        Raises:
            NotDurable: what became of them is unknown.
        """
        while groups:
            await self._settle(groups, now_ms)
            groups = [group.later for group in groups if group.later is not None]

    async def _settle(self, groups: Sequence[Group], now_ms: int) -> None:
        """Read, classify, write what changes; again for what another writer was faster with."""
        for attempt in range(_ROUNDS_MAX):
            try:
                stored = await self._payments.read_durable([group.id for group in groups])
            except TooNew as newer:
                groups = _without(groups, newer)
                stored = await self._payments.read_durable([group.id for group in groups]) if groups else {}
            spilled = await self._spilled(groups, stored)
            changes, open_groups = self._classify(groups, stored, spilled, now_ms)
            if changes and await self._payments.update(changes) == len(changes):
                open_groups = [group for group in open_groups if group.id not in stored]
            if not open_groups:
                return
            groups = open_groups
            await asyncio.sleep(_ROUND_PAUSE_S * (attempt + 1))
        for group in groups:
            group.fail(Failure.CONTENDED)

    async def _spilled(
        self, groups: Sequence[Group], stored: Mapping[str, Payment]
    ) -> Mapping[str, Mapping[str, StoredEvent]]:
        """Return those of the groups' events that were moved out of their payments; nearly always there are none."""
        wanted = {
            group.id: [event.event_id for _, _, event in group.entries]
            for group in groups
            if group.id in stored and stored[group.id].spilled is not None
        }
        return await self._payments.read_spilled(wanted) if wanted else {}

    def _classify(
        self,
        groups: Sequence[Group],
        stored: Mapping[str, Payment],
        spilled: Mapping[str, Mapping[str, StoredEvent]],
        now_ms: int,
    ) -> tuple[list[Change], list[Group]]:
        """Fold each group over what is stored; return the writes, and the groups that are not answered without them."""
        changes: list[Change] = []
        open_groups: list[Group] = []
        for group in groups:
            before = stored.get(group.id)
            if before is None:
                open_groups.append(group)
                continue
            try:
                after = group.fold(before, now_ms, spilled.get(group.id, NONE_SPILLED))
                if after is not before and after is not None:
                    changes.append(self.checked(before, after))
                    open_groups.append(group)
            except Unstorable as error:
                group.fail(Failure.UNSTORABLE, error.field)
        return changes, open_groups

    def checked(self, before: Payment, after: Payment) -> Change:
        """Return the change that stores `after`, once it is sure that it can be stored.

        Raises:
            Unstorable: it can't.
        """
        if self._selects is not None and after.analysis is None and self._selects(after):
            after = replace(after, analysis=queued(after.updated_at_ms))
        change = change_of(before, after)
        try:
            self._payments.encode(change.after)
        except Unstorable as error:
            if error.field != _DOCUMENT or not before.events:
                raise
            # No money event is refused because there were many: large ones move out sooner.
            change = change_of(before, after, kept=0)
            self._payments.encode(change.after)
        return change


def _without(groups: Sequence[Group], newer: TooNew) -> Sequence[Group]:
    """Fail the groups whose payment only a newer version may change; return the others."""
    for group in groups:
        if group.id in newer.ids:
            group.fail(Failure.TOO_NEW)
            # Nor what is written after it.
            group.later = None
    return [group for group in groups if group.id not in newer.ids]
