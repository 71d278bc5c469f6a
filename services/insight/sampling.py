"""Which legitimate payments teach the scorecard: few of the ordinary, most of the suspicious, weighed accordingly.

Fraud is rare, and thousands of ordinary payments say the same. Each is kept with a chance that grows with its
score, and counts as many times as that chance is small, so that scores stay calibrated (importance sampling; for
click logs see He and others, "Practical lessons from predicting clicks on ads at Facebook", 2014, section 5.2).
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

_CHANCE_MIN: Final = 1 / 16
_CHANCE_PER_SCORE: Final = 5.0


def teaching_weight(tx_id: str, score: float) -> float:
    """Return how many payments a legitimate one stands for, 0 where it is left out; the same id gets the same."""
    chance = _CHANCE_PER_SCORE * score
    if chance >= 1.0:
        return 1.0
    if chance < _CHANCE_MIN:
        chance = _CHANCE_MIN
    return 1.0 / chance if crc32(tx_id.encode()) < chance * 4_294_967_296.0 else 0.0
