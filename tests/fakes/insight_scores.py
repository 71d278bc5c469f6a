"""The ports of labels in memory: vectors, labels and verdicts on a disk that outlives the process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from services.insight.labels import DISPUTE, Dispute, Label, Stated
from services.insight.ports import StoreDown
from services.insight.vectors import Seen, unpack
from services.insight.verdicts import Case
from tests.fakes.insight_memory import Disk


class MemoryScores:
    """Fits `Vectors`, `Labels` and `Cases`; decides while the disk's owner is `owner`."""

    def __init__(self, disk: Disk, owner: str = "") -> None:
        """Keep them on `disk`."""
        self._disk = disk
        self._owner = owner

    async def kept(self) -> int:
        """Return the last ordinal."""
        await self._answer()
        return self._disk.kept

    async def insert(self, seen: Sequence[Seen]) -> None:
        """Keep what there is not yet, one after the other."""
        await self._answer()
        for sequence, payment, vector in seen:
            if sequence <= self._disk.kept:
                continue
            self._disk.step()
            self._disk.kept = sequence
            case = Case(
                source=payment.source,
                tx_id=payment.tx_id,
                sender=payment.sender,
                receiver=payment.receiver,
                at_ms=payment.at_ms,
                vector=vector,
                labels={},
            )
            self._disk.cases[f"{payment.source}:{payment.tx_id}"] = case

    async def vector(self, source: str, tx_id: str) -> Sequence[float] | None:
        """Return the features that a payment was learnt with."""
        await self._answer()
        case = self._disk.cases.get(f"{source}:{tx_id}")
        return unpack(case.vector) if case is not None else None

    async def state(self, source: str, tx_id: str, label_source: str, *, label: Label, author: str) -> bool | None:
        """Set one source's label."""
        await self._answer()
        case = self._disk.cases.get(f"{source}:{tx_id}")
        if case is None:
            return None
        if case.labels.get(label_source) is label:
            return False
        self._label(case, label_source, label)
        self._disk.authors[source, tx_id, label_source] = author
        return True

    async def labels(self, source: str, tx_id: str) -> Mapping[str, Stated] | None:
        """Return a payment's labels."""
        await self._answer()
        case = self._disk.cases.get(f"{source}:{tx_id}")
        if case is None:
            return None
        authors = self._disk.authors
        return {
            name: Stated(label=label, author=authors.get((source, tx_id, name), ""), at_ms=case.due_ms)
            for name, label in case.labels.items()
        }

    async def dispute(self, dispute: Dispute) -> bool:
        """Set what a dispute says, unless a later change has been heard."""
        await self._answer()
        id_, name = f"{dispute.source}:{dispute.tx_id}", f"{DISPUTE}{dispute.source}"
        case = self._disk.cases.get(id_)
        if case is None or self._disk.versions.get(id_, 0) >= dispute.version:
            return False
        if dispute.label is Label.UNSURE and name not in case.labels:
            return False
        self._disk.step()
        self._disk.versions[id_] = dispute.version
        self._label(case, name, dispute.label)
        return True

    async def due(self, *, covered: int, most: int) -> Sequence[Case]:
        """Return those whose labels changed first."""
        await self._answer()
        waiting = [
            case
            for case in self._disk.cases.values()
            if case.due_ms and (case.verdict is None or case.verdict.ordinal <= covered)
        ]
        return sorted(waiting, key=lambda case: case.due_ms)[:most]

    async def decided(self, after: int) -> tuple[int, Sequence[Case]]:
        """Return the last ordinal, and what was decided above another one."""
        await self._answer()
        above = [(case.verdict.ordinal, case) for case in self._disk.cases.values() if case.verdict is not None]
        return self._disk.decided, [
            case for ordinal, case in sorted(above, key=lambda pair: pair[0]) if ordinal > after
        ]

    async def decide(self, cases: Sequence[Case], *, last: int) -> bool:
        """Write all or nothing; killed there, it is written and nobody hears of it."""
        await self._answer()
        disk = self._disk
        known = [disk.cases[f"{case.source}:{case.tx_id}"] for case in cases]
        changed = any(there.due_ms != case.due_ms for there, case in zip(known, cases, strict=True))
        if disk.owner != self._owner or disk.decided != last or changed:
            return False
        for case in cases:
            disk.cases[f"{case.source}:{case.tx_id}"] = replace(case, due_ms=0)
            if case.verdict is not None:
                disk.decided = max(disk.decided, case.verdict.ordinal)
        disk.step()
        return True

    def _label(self, case: Case, name: str, label: Label) -> None:
        self._disk.clock_ms += 1
        labelled = replace(case, labels={**case.labels, name: label}, due_ms=self._disk.clock_ms)
        self._disk.cases[f"{case.source}:{case.tx_id}"] = labelled

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self._disk.down:
            raise StoreDown("the store is down")
