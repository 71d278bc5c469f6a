"""Judges what is stored against what was sent and answered: nothing lost, nothing doubled, nothing strange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from tests.chaos.history import ACCEPTED, BROKEN, NOT_DURABLE, Attempt, Fact, History, Sort, expected_status
from tests.mesh_audit import Document, key_of

# Words of a 2xx that says: this delivery is the one that brought the fact.
_BROUGHT: Final = frozenset({"processed", "updated", "stale"})
_ANSWERS: Final[Mapping[Sort, frozenset[int]]] = {
    Sort.HONEST: frozenset({ACCEPTED, NOT_DURABLE, BROKEN}),
    Sort.FORGED: frozenset({403, 429, NOT_DURABLE, BROKEN}),
    Sort.INVALID: frozenset({422, NOT_DURABLE, BROKEN}),
}
_COMPLAINTS_MAX: Final = 20


class Stored(Protocol):
    """What is stored; `Audit` reads it from MongoDB."""

    def payments(self, tx_ids: Iterable[str]) -> Mapping[str, Document]:
        """Return the documents of these native payments by their ids."""

    def bodies(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Return the stored bytes of these deliveries by their ids."""


@dataclass(slots=True)
class Verdict:
    """What the audit found.

    Attributes:
        lost: facts that were answered with a 2xx and are not stored.
        doubled: facts that are stored, or were said to be new, more than once.
        complaints: everything that is wrong, in sentences; the first of many.
    """

    lost: int = 0
    doubled: int = 0
    complaints: list[str] = field(default_factory=list)

    def complain(self, sentence: str) -> None:
        """Note what is wrong."""
        if len(self.complaints) < _COMPLAINTS_MAX:
            self.complaints.append(sentence)


def judged(history: History, stored: Stored, *, also_answered: frozenset[int] = frozenset()) -> Verdict:
    """Compare a history with what a majority holds.

    Args:
        history: what was sent and answered.
        stored: what a majority holds.
        also_answered: what deliveries with a right signature may be answered in this scenario, too.
    """
    verdict = Verdict()
    payments = stored.payments(history.tx_ids)
    events = [event for document in payments.values() for event in document["events"]]
    wanted = {key_of(attempt.body) for attempt in history.attempts} | {event["delivery"] for event in events}
    bodies = stored.bodies(wanted)
    for tx_id in history.tx_ids:
        _judge_payment(verdict, history.of(tx_id), payments.get(tx_id), bodies)
    for fact in history:
        _judge_answers(verdict, fact, bodies, also_answered)
    return verdict


def _judge_payment(
    verdict: Verdict, facts: Sequence[Fact], document: Document | None, bodies: Mapping[str, bytes]
) -> None:
    stored = document["events"] if document is not None else []
    ids = [event["event_id"] for event in stored]
    known = {fact.event_id: fact for fact in facts}
    tx_id = facts[0].tx_id
    for fact in facts:
        if fact.is_accepted and fact.event_id not in ids:
            verdict.lost += 1
            verdict.complain(f"lost: {fact.event_id} was acknowledged and is not stored")
        if fact.is_refused and fact.event_id in ids:
            verdict.complain(f"trace: {fact.event_id} was refused and is stored")
    if len(ids) != len(set(ids)):
        verdict.doubled += len(ids) - len(set(ids))
        verdict.complain(f"doubled: {tx_id} holds {ids}")
    if not set(ids) <= set(known):
        verdict.complain(f"strange: {tx_id} holds {ids}, of which only {sorted(known)} were sent")
        return
    if document is None or not ids:
        return
    for event in stored:
        _judge_bytes(verdict, known[event["event_id"]], event["delivery"], bodies)
    _judge_sums(verdict, [known[event_id] for event_id in sorted(set(ids))], document)


def _judge_sums(verdict: Verdict, facts: Sequence[Fact], document: Document) -> None:
    for total in ("captured", "refunded"):
        expected = sum(fact.minor_units for fact in facts if fact.kind == total)
        if int(document["totals"][total]) != expected:
            verdict.complain(f"sum: {facts[0].tx_id} has {total} {document['totals'][total]}, not {expected}")
    status = expected_status(fact.kind for fact in facts)
    if document["status"] != status:
        verdict.complain(f"status: {facts[0].tx_id} is {document['status']}, not {status}")


def _judge_bytes(verdict: Verdict, fact: Fact, delivery: str, bodies: Mapping[str, bytes]) -> None:
    """The fact's delivery is there, and is the one that was told it is new, or one of which nobody was told."""
    by_key = {key_of(attempt.body): attempt.body for attempt in fact.attempts}
    if delivery not in by_key:
        verdict.complain(f"bytes: {fact.event_id} names a delivery that was never sent")
    elif delivery not in bodies:
        # An attempt whose outcome nobody knows may be half stored, until its sender's retry was accepted.
        if fact.is_accepted:
            verdict.complain(f"bytes: {fact.event_id} names a delivery whose bytes are not stored")
    elif bodies[delivery] != by_key[delivery]:
        verdict.complain(f"bytes: {fact.event_id} is stored with other bytes than were sent")
    brought = [attempt for attempt in fact.attempts if attempt.status == ACCEPTED and attempt.word in _BROUGHT]
    if len(brought) > 1:
        verdict.doubled += len(brought) - 1
        verdict.complain(f"doubled: {fact.event_id} was new {len(brought)} times")
    elif brought and key_of(brought[0].body) != delivery:
        verdict.complain(f"bytes: {fact.event_id} does not name the delivery that was accepted first")


def _judge_answers(verdict: Verdict, fact: Fact, bodies: Mapping[str, bytes], also_answered: frozenset[int]) -> None:
    allowed = _ANSWERS[fact.sort] | (also_answered if fact.sort is not Sort.FORGED else frozenset())
    for attempt in fact.attempts:
        if attempt.status not in allowed or (attempt.status == NOT_DURABLE and not attempt.asks_again):
            verdict.complain(f"answer: {fact.event_id} ({fact.sort.value}) got {attempt.status} {attempt.word}")
        _judge_trace(verdict, fact, attempt, bodies)


def _judge_trace(verdict: Verdict, fact: Fact, attempt: Attempt, bodies: Mapping[str, bytes]) -> None:
    key = key_of(attempt.body)
    if attempt.status == ACCEPTED and bodies.get(key) != attempt.body:
        verdict.complain(f"bytes: a delivery of {fact.event_id} was acknowledged and its bytes are not stored")
    if fact.is_refused and key in bodies:
        verdict.complain(f"trace: {fact.event_id} was refused and its bytes are stored")
