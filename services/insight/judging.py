"""Judging: the replica that learns turns labels into verdicts, each of them once, whatever happens in between.

A verdict is decided before it changes anything: written with its ordinal beside the labels it follows from, in the same
transaction as the ordinal's own counter, under the lease. Then profiles and evidence take it in. A profile knows by
`judged` which verdicts it contains, and the evidence is saved with the ordinal it has reached, in one document with
the position in the feed. So whoever comes after a crash takes in what was decided above that ordinal, and nothing is
counted twice. A payment gets its next verdict only after its last one is saved: of two, the first could not be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec.structs import replace

from services.insight.cache import ProfileCache
from services.insight.knowledge import tell_verdict
from services.insight.label_ports import Cases
from services.insight.labels import verdict_of
from services.insight.ports import StoreDown
from services.insight.profile import Profile
from services.insight.saving import Saver
from services.insight.scoring import account_key, population_key
from services.insight.tuning import Tuning
from services.insight.verdicts import NOTHING_JUDGED, Case, Judgement, Ruling, Verdict

_LOOK_S: Final = 1.0
# So many verdicts may be decided and not saved: what a crash makes the next holder take in.
_UNSAVED_MAX: Final = 4_096


class JudgingObserver(Protocol):
    """Is told of verdicts, for metrics."""

    def judged(self, cases: Sequence[Case]) -> None:
        """These got a new verdict."""


class Jury:
    """Decides while this replica holds the lease."""

    def __init__(
        self,
        cases: Cases,
        *,
        profiles: ProfileCache,
        saver: Saver,
        observer: JudgingObserver,
        look_s: float = _LOOK_S,
    ) -> None:
        """Judge `cases`, looking for new ones every `look_s`."""
        self._cases = cases
        self._profiles = profiles
        self._saver = saver
        self._observer = observer
        self._look_s = look_s
        self._tuning = Tuning()
        self._last = 0
        self._sure = False

    def begin(self, judgement: Judgement = NOTHING_JUDGED) -> None:
        """Go on from what was saved last; call before anything is saved again."""
        self._tuning = Tuning(judgement)
        self._sure = False

    def judgement(self) -> Judgement:
        """Return what the verdicts taken in have taught."""
        return self._tuning.judgement()

    async def run(self) -> None:
        """Judge until cancelled."""
        while True:
            while await self._saver.patiently(self._sit):
                pass
            await asyncio.sleep(self._look_s)

    async def _sit(self) -> bool:
        """Decide some cases; False where none is left that can be decided now."""
        if not self._sure:
            await self._catch_up()
        if self._last >= self._saver.covered + _UNSAVED_MAX:
            return False
        cases = await self._cases.due(covered=self._saver.covered, most=self._tuning.room)
        if not cases:
            return False
        self._saver.must_hold()
        decided = self._decided(cases)
        try:
            written = await self._cases.decide(decided, last=self._last)
        except StoreDown:
            self._sure = False
            raise
        if not written:
            self._sure = False
            return False
        new = [case for case in decided if case.verdict is not None and case.verdict.ordinal > self._last]
        await self._take_in(new)
        self._observer.judged(new)
        return True

    async def _catch_up(self) -> None:
        """Take in what is decided already: by a holder before, or by a call whose answer never came."""
        last, cases = await self._cases.decided(self._tuning.ordinal)
        await self._take_in(cases)
        self._last = max(last, self._tuning.ordinal)
        self._sure = True

    def _decided(self, cases: Sequence[Case]) -> list[Case]:
        ordinal, decided = self._last, []
        for case in cases:
            before = case.verdict.after if case.verdict is not None else None
            fraud = verdict_of(case.labels)
            if fraud is (before.fraud if before is not None else None):
                # Another label that says the same, or one that was taken back before it counted.
                decided.append(case)
                continue
            ordinal += 1
            after = self._tuning.rule(case, fraud=fraud) if fraud is not None else None
            decided.append(replace(case, verdict=Verdict(ordinal=ordinal, before=before, after=after)))
        return decided

    async def _take_in(self, cases: Sequence[Case]) -> None:
        keys = [_keys_of(case) for case in cases]
        await self._profiles.require({key for three in keys for key in three if key})
        # From here on nothing waits: what is saved holds a verdict in the evidence and in its profiles, or in neither.
        for case, its_keys in zip(cases, keys, strict=True):
            if case.verdict is not None:
                profiles = [self._profiles.get(key) if key else None for key in its_keys]
                self._tell(case, case.verdict, its_keys, profiles)
                self._tuning.take_in(case, case.verdict)
                self._last = case.verdict.ordinal

    def _tell(
        self, case: Case, verdict: Verdict, keys: tuple[str, str, str], profiles: Sequence[Profile | None]
    ) -> None:
        for key, profile in zip(keys, profiles, strict=True):
            if profile is not None and profile.judged < verdict.ordinal:
                self._profiles.dirty[key] = profile
        sender, receiver, population = profiles
        fraud, judged = _counts(verdict.after), _counts(verdict.before)
        tell_verdict(
            case.at_ms / 1000.0,
            sender,
            receiver,
            population,
            verdict.ordinal,
            fraud[0] - judged[0],
            fraud[1] - judged[1],
        )


def _counts(ruling: Ruling | None) -> tuple[float, float]:
    """Return how many frauds and how many judged payments a ruling stands for."""
    return (float(ruling.fraud), 1.0) if ruling is not None else (0.0, 0.0)


def _keys_of(case: Case) -> tuple[str, str, str]:
    return (
        account_key(case.source, case.sender) if case.sender else "",
        account_key(case.source, case.receiver) if case.receiver else "",
        population_key(case.source),
    )
