"""Drift: how far the last day's scores and amounts are from the last thirty days', by the population stability index.

PSI is the sum over bins of (p - q) ln(p / q), p and q being the recent and the usual share of a bin (Siddiqi,
"Credit Risk Scorecards", 2006): below 0.1 nothing happened, above 0.25 something did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import exp, log
from typing import Final

from services.insight.memory import DAY_S, MONTH_S

# A bin without a payment counts as this share, or its logarithm would be infinite.
_SHARE_MIN: Final = 1e-4
# Before so many payments are remembered there is nothing to compare.
_PAYMENTS_MIN: Final = 100.0


class Drift:
    """Two decaying histograms of one quantity, of a day and of thirty days; as old as the process."""

    def __init__(self) -> None:
        """Begin empty."""
        self._recent: Counter[int] = Counter()
        self._usual: Counter[int] = Counter()
        self._decayed_at_s = 0.0

    def add(self, bins: Iterable[int], now_s: float) -> Mapping[int, int]:
        """Count these bins now; return how often each came."""
        counts = Counter(bins)
        if now_s - self._decayed_at_s > DAY_S / 1_000:
            self._decay(now_s)
        for place, count in counts.items():
            self._recent[place] += count
            self._usual[place] += count
        return counts

    def psi(self) -> float:
        """Return the index, 0 while too few payments are remembered."""
        recent, usual = self._recent.total(), self._usual.total()
        if recent < _PAYMENTS_MIN:
            return 0.0
        index = 0.0
        for place in self._usual:
            p = max(self._recent[place] / recent, _SHARE_MIN)
            q = max(self._usual[place] / usual, _SHARE_MIN)
            index += (p - q) * log(p / q)
        return index

    def _decay(self, now_s: float) -> None:
        age_s = max(now_s - self._decayed_at_s, 0.0)
        for histogram, memory_s in ((self._recent, DAY_S), (self._usual, MONTH_S)):
            factor = exp(-age_s / memory_s)
            for place in histogram:
                histogram[place] *= factor  # type: ignore[assignment] # counts that decay are fractions
        self._decayed_at_s = now_s
