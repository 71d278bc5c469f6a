"""Labelling: somebody says what a payment turned out to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mesh.errors import Fault, Kind
from services.insight.label_ports import Labels
from services.insight.labels import Label, Stated
from services.insight.ports import StoreDown


class LabellingObserver(Protocol):
    """Is told of labels, for metrics."""

    def labelled(self, label: Label, *, by: str) -> None:
        """A label of this origin changed."""


class Labeller:
    """Records labels and tells of them; what they teach is for the replica that learns."""

    def __init__(self, labels: Labels, *, days: int, observer: LabellingObserver) -> None:
        """Record in `labels`, which are kept for so many days."""
        self._labels = labels
        self._days = days
        self._observer = observer

    async def record(self, source: str, tx_id: str, label_source: str, *, label: Label, author: str) -> bool:
        """Set one source's label; False where it was there already.

        Raises:
            Fault: NOT_FOUND, the payment was never learnt or too long ago; UNAVAILABLE; too many sources.
        """
        try:
            changed = await self._labels.state(source, tx_id, label_source, label=label, author=author)
        except StoreDown as down:
            raise _down() from down
        if changed is None:
            raise self._unknown()
        if changed:
            self._observer.labelled(label, by="call")
        return changed

    async def labels(self, source: str, tx_id: str) -> Mapping[str, Stated]:
        """Return a payment's labels by their source.

        Raises:
            Fault: NOT_FOUND or UNAVAILABLE, as above.
        """
        try:
            found = await self._labels.labels(source, tx_id)
        except StoreDown as down:
            raise _down() from down
        if found is None:
            raise self._unknown()
        return found

    def _unknown(self) -> Fault:
        if not self._days:
            message = "No payment can be labelled: this mesh keeps no feature vectors (INSIGHT_SCORES_DAYS is 0)."
        else:
            message = (
                f"No such payment can be labelled: it doesn't exist, is older than {self._days} days, states no "
                "amount, or is so new that it isn't learnt yet (seconds)."
            )
        return Fault(kind=Kind.NOT_FOUND, reason="NOT_FOUND", message=message)


def _down() -> Fault:
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="DEPENDENCY_DOWN",
        message="MongoDB can't be reached now: whether the label is recorded is unknown; try again.",
        retry_after_s=1.0,
    )
