"""Replay: a labelled history through the detector in the order of time, each payment scored before it is learnt."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from services.insight.detector import RULES, Scorecard
from services.insight.knowledge import look, teach, tell_verdict
from services.insight.memory import WIDE, Prior
from services.insight.model import Payment
from services.insight.profile import Profile, prior_of
from services.insight.sampling import teaching_weight
from services.insight.scorecard import Evidence, logistic, points_of, site_of
from services.insight.scoring import account_key, population_key

# What a source usually sees is looked up once in so many payments, as scoring does once in a batch.
_BATCH: Final = 64
# The scorecard is solved anew after so many labels, or a sixteenth of those it knows, whichever is less.
_LABELS_MAX: Final = 256
_LABELS_MIN: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How a history is replayed.

    Attributes:
        label_delay_ms: how long after a payment its label is known.
        labels: False leaves them out: what the scorecard is worth as it begins.
        scorecard: what the first payment is scored with.
    """

    label_delay_ms: int
    labels: bool = True
    scorecard: Scorecard = RULES


class Replay:
    """One replay; what it has learnt stays readable."""

    def __init__(self, options: ReplayOptions) -> None:
        """Begin with nothing known."""
        self._options = options
        self._accounts: dict[tuple[str, str], Profile] = {}
        self._populations: dict[str, Profile] = {}
        self._evidence = Evidence()
        self._waiting: deque[tuple[Payment, Profile, Profile, Profile, list[float] | None, float, bool]] = deque()
        self._verdicts = 0
        self._unsolved = 0
        self._taught = 0
        self.scorecard = options.scorecard

    def scores(self, history: Iterable[tuple[Payment, bool | None]]) -> Iterator[float]:
        """Yield a score per payment of a history in the order of time; None is a payment nobody ever labels."""
        accounts, populations = self._accounts, self._populations
        waiting, delay_ms = self._waiting, self._options.label_delay_ms
        labels = self._options.labels
        priors: dict[str, Prior] = {}
        weights = self.scorecard.weights
        for sequence, (payment, fraud) in enumerate(history, start=1):
            source, tx_id, sender_name, receiver_name, minor_units, _, at_ms = payment
            if waiting and waiting[0][0].at_ms + delay_ms <= at_ms:
                self._judge(at_ms - delay_ms)
                weights = self.scorecard.weights
            sender = accounts.get((source, sender_name)) or self._account(source, sender_name)
            receiver = accounts.get((source, receiver_name)) or self._account(source, receiver_name)
            population = populations.get(source) or self._population(source)
            if not sequence % _BATCH:
                priors.clear()
            prior = priors.get(source)
            if prior is None:
                prior = priors[source] = prior_of(population) if population.sequence else WIDE
            if minor_units <= 0:
                yield logistic(weights[-1])
                continue
            vector = look(payment, sender, receiver, prior)
            score = logistic(points_of(vector, weights))
            yield score
            if labels and fraud is not None:
                weight = 1.0 if fraud else teaching_weight(tx_id, score)
                # Only what will teach is kept, as the service keeps it for the day its label comes.
                waiting.append((payment, sender, receiver, population, vector if weight else None, weight, fraud))
            teach(payment, sender, receiver, population, sequence)

    def _account(self, source: str, account: str) -> Profile:
        profile = self._accounts[source, account] = Profile.of(account_key(source, account))
        return profile

    def _population(self, source: str) -> Profile:
        profile = self._populations[source] = Profile.of(population_key(source))
        return profile

    def _judge(self, until_ms: int) -> None:
        """Release the labels of payments up to a time."""
        waiting = self._waiting
        while waiting and waiting[0][0].at_ms <= until_ms:
            payment, sender, receiver, population, vector, weight, fraud = waiting.popleft()
            self._verdicts += 1
            at_s = payment.at_ms / 1000.0
            tell_verdict(at_s, sender, receiver, population, self._verdicts, float(fraud), 1.0)
            if vector is not None:
                site = site_of(vector, self.scorecard.weights, fraud=fraud, weight=weight)
                self._evidence.add(vector, site, at_s, fraud=fraud)
                self._taught += 1
                self._unsolved += 1
                if self._unsolved >= min(_LABELS_MAX, _LABELS_MIN + self._taught // 16):
                    self._unsolved = 0
                    self.scorecard = Scorecard(weights=self._evidence.weights(), verdicts=self._verdicts)
