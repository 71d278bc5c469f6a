"""What a set of events adds up to, as plain values: small, mergeable, and all that the fold needs of an event.

Every field is a maximum, a sum, a union or a disjunction, so the order in which events are added never shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(slots=True)
class ObjectSums:
    """One object's amounts in minor units.

    Attributes:
        largest: the largest cumulative amount stated.
        summed: the sum of the amounts stated as deltas.
        taken_back: the sum of what was taken back.
        ended: whether the whole object was taken back.
        stated: whether any event added to it; a dispute stands while it is stated and not ended.
    """

    largest: int = 0
    summed: int = 0
    taken_back: int = 0
    ended: bool = False
    stated: bool = False

    @property
    def total(self) -> int:
        """What the object counts for."""
        if self.ended:
            return 0
        largest, summed = self.largest, self.summed
        return max(0, (max(summed, largest)) - self.taken_back)


@dataclass(slots=True)
class Tally:
    """What a set of events adds up to.

    Attributes:
        count: how many events there are, those that a correction replaced included.
        kinds: the kinds among them, as bits by their number.
        objects: the amounts by total and object id.
        capture_stated: whether a capture named an amount.
        fixed: the amount stated as that of the whole payment, 0 for none.
        largest: the largest amount named, 0 for none.
        described_at: signed time and event id of the latest event with a description.
        description: that description.
    """

    count: int = 0
    kinds: int = 0
    objects: dict[tuple[str, str], ObjectSums] = field(default_factory=dict)
    capture_stated: bool = False
    fixed: int = 0
    largest: int = 0
    described_at: tuple[int, str] = (-1, "")
    description: str = ""

    def copy(self) -> Tally:
        """Return one that can be added to without changing this one."""
        return replace(self, objects={name: replace(sums) for name, sums in self.objects.items()})
