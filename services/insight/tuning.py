"""Tuning: verdicts move the scorecard, by the same steps in every run."""

from __future__ import annotations

from struct import Struct
from typing import Final

from services.insight.detector import FEATURES_VERSION, RULES, Scorecard
from services.insight.sampling import teaching_weight
from services.insight.scorecard import PRIOR_WEIGHTS, SIZE, Evidence, logistic, points_of, site_of
from services.insight.vectors import unpack
from services.insight.verdicts import NOTHING_JUDGED, Case, Judgement, Ruling, Verdict

# The weights are solved anew after so many verdicts, or a sixteenth of those there were, whichever is less.
_UNSOLVED_MAX: Final = 256
_UNSOLVED_MIN: Final = 16
_WEIGHTS: Final = Struct(f"<{SIZE}d")


def scorecard_of(judgement: Judgement) -> Scorecard:
    """Return the scorecard that was solved last: the rules' own where there is none, or one of other features."""
    if not judgement.weights or judgement.features != FEATURES_VERSION:
        return RULES
    return Scorecard(weights=_unpacked(judgement.weights), verdicts=judgement.ordinal)


def _unpacked(weights: bytes) -> tuple[float, ...]:
    return _WEIGHTS.unpack(weights) if weights else PRIOR_WEIGHTS


class Tuning:
    """The scorecard as verdicts make it.

    The same verdicts in the same order end up the same, however often what they taught was saved and read in between:
    payments are ruled by weights that are solved after a number of verdicts, never at a time.
    """

    def __init__(self, judgement: Judgement = NOTHING_JUDGED) -> None:
        """Go on from what was saved; evidence of other features counts for nothing any more."""
        comparable = judgement.features == FEATURES_VERSION
        self.ordinal = judgement.ordinal
        self._steps_from = _unpacked(judgement.steps_from) if comparable else PRIOR_WEIGHTS
        self._judgement = judgement
        self._evidence = Evidence.unpack(judgement.evidence) if comparable and judgement.evidence else Evidence()
        self._taught = judgement.taught if comparable else 0
        self._unsolved = judgement.unsolved if comparable else 0

    @property
    def room(self) -> int:
        """How many verdicts may be decided by the present weights before they are solved anew."""
        return max(self._solves_after() - self._unsolved, 1)

    def rule(self, case: Case, *, fraud: bool) -> Ruling:
        """Return how a payment counts from now on, by what was known of it then and the present weights."""
        vector = unpack(case.vector)
        if vector is None:
            return Ruling(fraud=fraud)
        weights = self._steps_from
        weight = 1.0 if fraud else teaching_weight(case.tx_id, logistic(points_of(vector, weights)))
        return Ruling(fraud=fraud, site=site_of(vector, weights, fraud=fraud, weight=weight) if weight else None)

    def take_in(self, case: Case, verdict: Verdict) -> None:
        """Let a verdict change the evidence; its ordinal must be above all before."""
        self.ordinal = verdict.ordinal
        vector = unpack(case.vector)
        if vector is None:
            return
        changed = False
        for ruling, sign in ((verdict.before, -1.0), (verdict.after, 1.0)):
            if ruling is not None and ruling.site is not None:
                self._evidence.add(vector, ruling.site, case.at_ms / 1000.0, fraud=ruling.fraud, sign=sign)
                changed = True
        if changed:
            self._taught += 1
            self._unsolved += 1
            if self._unsolved >= self._solves_after():
                self._unsolved = 0
                self._steps_from = self._evidence.weights()

    def judgement(self) -> Judgement:
        """Return everything as it is now; solving takes a few milliseconds, once for each change."""
        if self._judgement.ordinal != self.ordinal:
            self._judgement = Judgement(
                ordinal=self.ordinal,
                taught=self._taught,
                unsolved=self._unsolved,
                features=FEATURES_VERSION,
                evidence=self._evidence.pack(),
                weights=_WEIGHTS.pack(*self._evidence.weights()),
                steps_from=_WEIGHTS.pack(*self._steps_from),
            )
        return self._judgement

    def _solves_after(self) -> int:
        return min(_UNSOLVED_MAX, _UNSOLVED_MIN + self._taught // 16)
