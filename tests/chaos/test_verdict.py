"""The audit itself: it finds what it is there to find, and accepts what is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.chaos.history import BROKEN, Attempt, Fact, History, Sort
from tests.chaos.verdict import judged
from tests.mesh_audit import Document, key_of

BODY, OTHER = b'{"tx_id":"T-1"}', b'{"tx_id":"T-1" }'


@dataclass(slots=True)
class Held:
    """Documents and bodies, as a database would hold them."""

    documents: dict[str, Document] = field(default_factory=dict)
    deliveries: dict[str, bytes] = field(default_factory=dict)

    def payments(self, tx_ids: Iterable[str]) -> Mapping[str, Document]:
        """Return what there is of these payments."""
        return {tx_id: self.documents[tx_id] for tx_id in tx_ids if tx_id in self.documents}

    def bodies(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Return what there is of these deliveries."""
        return {key: self.deliveries[key] for key in keys if key in self.deliveries}


def attempt(status: int, word: str = "", *, body: bytes = BODY, at_s: float = 0.0) -> Attempt:
    """One delivery, answered at once."""
    return Attempt(body=body, sent_s=at_s, answered_s=at_s, status=status, word=word, asks_again=status == 503)


def history_of(*attempts: Attempt, sort: Sort = Sort.HONEST) -> History:
    """The history of one captured payment of 10.50."""
    history = History()
    fact = Fact(tx_id="T-1", event_id="T-1-captured", kind="captured", minor_units=1_050, sort=sort)
    history.add(fact).attempts.extend(attempts)
    return history


def held(*, delivery: bytes = BODY, events: int = 1, **changes: Any) -> Held:
    """That payment, stored right but for the changes."""
    document = {
        "tx_id": "T-1",
        "status": "success",
        "totals": {"captured": 1_050, "refunded": 0},
        "events": [{"event_id": "T-1-captured", "delivery": key_of(delivery)}] * events,
        **changes,
    }
    return Held({"T-1": document}, {key_of(BODY): BODY, key_of(OTHER): OTHER})


@pytest.mark.parametrize(
    ("history", "stored"),
    [
        (history_of(attempt(200, "processed")), held()),
        (history_of(attempt(503), attempt(200, "processed", body=OTHER)), held(delivery=OTHER)),
        (history_of(attempt(BROKEN), attempt(200, "already_processed", body=OTHER)), held()),
        (history_of(attempt(200, "processed"), attempt(200, "already_processed", body=OTHER)), held()),
        (history_of(attempt(503)), Held()),
        (history_of(attempt(503)), held()),
        (history_of(attempt(403), sort=Sort.FORGED), Held()),
        (history_of(attempt(422), sort=Sort.INVALID), Held()),
    ],
    ids=["new", "new at last", "known at last", "told twice", "unknown", "unknown but kept", "forged", "invalid"],
)
def test_what_is_right_is_accepted(history: History, stored: Held) -> None:
    """Of what is as it must be, the audit says nothing."""
    verdict = judged(history, stored)
    assert (verdict.lost, verdict.doubled, verdict.complaints) == (0, 0, [])


@pytest.mark.parametrize(
    ("history", "stored", "what"),
    [
        (history_of(attempt(200, "processed")), held(events=2), "doubled"),
        (history_of(attempt(200, "processed"), attempt(200, "processed", body=OTHER)), held(), "doubled"),
        (history_of(attempt(200, "processed")), held(totals={"captured": 2_100, "refunded": 0}), "sum"),
        (history_of(attempt(200, "processed")), held(status="pending"), "status"),
        (history_of(attempt(200, "processed")), held(delivery=OTHER), "bytes"),
        (history_of(attempt(200, "already_processed", body=OTHER)), held(delivery=b"never sent"), "bytes"),
        (history_of(attempt(403), sort=Sort.FORGED), held(), "trace"),
        (history_of(attempt(422), sort=Sort.INVALID), Held(deliveries={key_of(BODY): BODY}), "trace"),
        (history_of(attempt(200, "processed"), sort=Sort.FORGED), held(), "answer"),
        (history_of(attempt(500)), Held(), "answer"),
        (history_of(attempt(408)), Held(), "answer"),
        (history_of(attempt(200, "processed")), held(events=0), "lost"),
        (history_of(attempt(200, "processed")), Held(), "lost"),
    ],
)
def test_what_is_wrong_is_found(history: History, stored: Held, what: str) -> None:
    """What is planted in what was answered or is stored is complained about, by its name."""
    verdict = judged(history, stored)
    assert any(complaint.startswith(what) for complaint in verdict.complaints)
    assert bool(verdict.lost) is (what == "lost")
    assert bool(verdict.doubled) is (what == "doubled")


def test_bytes_that_are_named_and_not_stored_are_found() -> None:
    """An accepted fact that names a delivery nobody stored is wrong, though the accepted delivery itself is there."""
    stored = held()
    del stored.deliveries[key_of(BODY)]
    verdict = judged(history_of(attempt(503), attempt(200, "already_processed", body=OTHER)), stored)
    assert [complaint.split(":")[0] for complaint in verdict.complaints] == ["bytes"]


def test_an_answer_that_a_scenario_allows_is_accepted() -> None:
    """A 408 is right where the scenario says so, and for nobody without the secret."""
    also = frozenset({408})
    assert not judged(history_of(attempt(408)), Held(), also_answered=also).complaints
    assert judged(history_of(attempt(408), sort=Sort.FORGED), Held(), also_answered=also).complaints


def test_a_503_must_ask_again() -> None:
    """A 503 without Retry-After is no proper answer."""
    curt = Attempt(body=BODY, sent_s=0, answered_s=0, status=503)
    assert judged(history_of(curt), Held()).complaints


def test_recovery_counts_what_was_sent_after_the_fault() -> None:
    """A 2xx that comes after the fault to what was sent before it is no recovery."""
    before = Attempt(body=BODY, sent_s=1.0, answered_s=5.0, status=200, word="processed")
    history = history_of(before, attempt(503, at_s=4.0), attempt(200, "already_processed", at_s=7.0))
    assert history.first_accepted_s(3.0) == 7.0
    assert history.silence_s() == 2.0
    assert history_of(before).first_accepted_s(3.0) is None
