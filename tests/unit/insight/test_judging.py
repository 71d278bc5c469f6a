"""Judging: labels count once, can be taken back, in any order, whatever happens in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.insight.cache import CacheLimits, ProfileCache
from services.insight.detector import RULES
from services.insight.following import ScorecardFollower
from services.insight.labels import Dispute, Label
from services.insight.memory import sums_of
from services.insight.model import Payment
from services.insight.ports import StoreDown
from services.insight.scorecard import PRIOR_WEIGHTS
from services.insight.scoring import Scorer
from services.insight.tuning import scorecard_of
from services.insight.verdicts import Case
from tests.fakes.insight_memory import Disk, MemoryLease, MemoryProfiles, ScriptedFeed
from tests.fakes.insight_scores import MemoryScores
from tests.insight_judged import (
    Statement,
    assert_same_evidence,
    assert_same_memories,
    final,
    judged_by_hand,
    standing,
    statements,
    traffic,
)
from tests.insight_replica import Replica, learn_all, until
from tests.insight_teaching import memories_of, taught

FRAUD, LEGITIMATE, UNSURE = Label.FRAUD, Label.LEGITIMATE, Label.UNSURE


async def state(disk: Disk, said: Sequence[Statement]) -> None:
    """Say so, as callers of RecordLabel and readers of the feed do."""
    scores = MemoryScores(disk)
    for number, source, label in said:
        assert await scores.state("autopay", f"T-{number}", source, label=label, author="ann") is not None


def settled(disk: Disk) -> bool:
    """Whether every label is counted and saved."""
    decided = all(not case.due_ms for case in disk.cases.values())
    return decided and disk.position.judgement.ordinal == disk.decided


async def judge_all(disk: Disk, changes: Sequence[Payment | Dispute | None]) -> Replica:
    """Let one replica count every label and drain."""
    replica = Replica(disk, ScriptedFeed(changes))
    replica.start()
    await until(lambda: replica.feed.told_all.is_set() and settled(disk))
    await replica.drain()
    return replica


async def test_a_fraud_is_remembered_of_its_accounts_and_moves_the_weights() -> None:
    """Sender, receiver and source have one judged payment, which was fraud, and scores go by other weights."""
    disk, payments = Disk(), traffic(30)
    await learn_all(disk, payments)
    number = next(
        number for number, payment in enumerate(payments) if payment.receiver and payment.minor_units > 40_000
    )
    await state(disk, [(number, "analyst", FRAUD)])
    replica = await judge_all(disk, payments)
    payment = payments[number]
    sender = sums_of(disk.profiles[f"a:autopay:{payment.sender}"].sends)
    receiver = sums_of(disk.profiles[f"a:autopay:{payment.receiver}"].receives)
    source = sums_of(disk.profiles["p:autopay"].sends)
    for sums in (sender, receiver, source):
        assert sums.fraud_month == sums.judged_month
        assert sums.fraud_month > 0
    assert disk.position.judgement.ordinal == 1
    assert [case.tx_id for case in replica.watcher.verdicts] == [payment.tx_id]
    scorecard = scorecard_of(disk.position.judgement)
    assert scorecard.weights != PRIOR_WEIGHTS
    assert scorecard.weights[-1] == pytest.approx(PRIOR_WEIGHTS[-1], abs=1)
    assert scorecard.version == "2.1"


async def test_every_label_can_be_taken_back() -> None:
    """After each label was taken back, memories and weights are those of a mesh that never heard one."""
    disk, payments = Disk(), traffic(60)
    await learn_all(disk, payments)
    said = [(number, "analyst", FRAUD if number % 3 else LEGITIMATE) for number in range(40)]
    await state(disk, said)
    await judge_all(disk, payments)
    assert scorecard_of(disk.position.judgement).weights != pytest.approx(PRIOR_WEIGHTS, abs=1e-3)
    await state(disk, [(number, "analyst", UNSURE) for number, _, _ in reversed(said)])
    await judge_all(disk, payments)
    assert disk.decided == 80
    assert_same_memories(memories_of(disk.profiles), taught(payments))
    assert scorecard_of(disk.position.judgement).weights == pytest.approx(PRIOR_WEIGHTS, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), shuffles=st.randoms(use_true_random=False))
def test_the_order_of_labels_makes_no_difference(seed: int, shuffles: random.Random) -> None:
    """Whatever was said in between, in one piece or in many, what counts in the end is what each source said last."""
    payments, said = traffic(25), statements(60, 25, seed=seed)
    last = {(number, source): label for number, source, label in said}
    shuffled = [(number, source, label) for (number, source), label in last.items()]
    shuffles.shuffle(shuffled)

    async def run() -> None:
        whole, at_once = Disk(), Disk()
        for disk in (whole, at_once):
            await learn_all(disk, payments)
        for start in range(0, len(said), 20):
            await state(whole, said[start : start + 20])
            await judge_all(whole, payments)
        await state(at_once, shuffled)
        await judge_all(at_once, payments)
        expected = judged_by_hand(payments, final(said))
        for disk in (whole, at_once):
            assert_same_memories(memories_of(disk.profiles), expected)
            assert_same_evidence(disk.position.judgement, standing(disk.cases))

    asyncio.run(run())


async def run_killed(disk: Disk, changes: Sequence[Payment | Dispute | None], offset: int) -> int:
    """Kill replica after replica before its n-th write until everything is counted; return how many died."""
    kills, rng = 0, random.Random(offset)
    end = str(len(changes))
    while not (settled(disk) and disk.position.token == end):
        disk.killed_at, disk.owner = disk.steps + offset + 1, ""
        feed = ScriptedFeed(changes, page_changes=rng.randint(1, 9))
        replica = Replica(disk, feed, dirty_max=rng.randint(1, 9))
        replica.start()
        with suppress(TimeoutError):
            await until(
                lambda: disk.steps == disk.killed_at or (settled(disk) and disk.position.token == end), within_s=1.0
            )
        await replica.kill()
        kills += disk.steps == disk.killed_at
    disk.killed_at, disk.owner = None, ""
    return kills


@pytest.mark.parametrize("offset", range(8))
async def test_killed_at_any_write_every_verdict_counts_once(offset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before its n-th write, of vectors and verdicts too, the end is a clean run's to the weights' last bit."""
    monkeypatch.setattr("services.insight.learning._PAUSE_AFTER_BUG_S", 60.0)
    payments = traffic(40)
    said = [[(number, "analyst", FRAUD if number % 4 else LEGITIMATE) for number in range(40)]]
    said.append([(number, "analyst", UNSURE if number % 3 else FRAUD) for number in range(0, 40, 2)])
    clean, killed = Disk(), Disk()
    for disk in (clean, killed):
        # The first token must be stored: without one, what is read before it is not read again.
        await learn_all(disk, payments[:3])
    await learn_all(clean, payments)
    kills = await run_killed(killed, payments, offset)
    for each in said:
        for disk in (clean, killed):
            await state(disk, each)
        await judge_all(clean, payments)
        kills += await run_killed(killed, payments, offset)
    assert kills > 3
    assert memories_of(killed.profiles) == memories_of(clean.profiles)
    assert killed.position.judgement == clean.position.judgement
    assert {key: case.vector for key, case in killed.cases.items()} == {
        key: case.vector for key, case in clean.cases.items()
    }
    assert_same_evidence(killed.position.judgement, standing(killed.cases))


class Deaf(MemoryScores):
    """Writes a decision, and the answer gets lost, the first few times."""

    lost = 3

    async def decide(self, cases: Sequence[Case], *, last: int) -> bool:
        """Decide, and say that nobody knows."""
        written = await super().decide(cases, last=last)
        if self.lost:
            self.lost -= 1
            raise StoreDown("the answer is lost")
        return written


async def test_a_decision_whose_answer_is_lost_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written after all is read and counted; nothing is decided a second time."""
    monkeypatch.setattr("services.insight.saving._PAUSE_S_MIN", 0.001)
    monkeypatch.setattr("tests.insight_replica.MemoryScores", Deaf)
    disk, payments = Disk(), traffic(60)
    await learn_all(disk, payments)
    said = [(number, "analyst", FRAUD) for number in range(50)]
    await state(disk, said)
    await judge_all(disk, payments)
    assert disk.decided == 50
    assert_same_memories(memories_of(disk.profiles), judged_by_hand(payments, final(said)))
    assert_same_evidence(disk.position.judgement, standing(disk.cases))


async def test_who_lost_the_lease_decides_nothing() -> None:
    """A replica that does not know yet that another one took over writes no verdict."""
    disk, payments = Disk(), traffic(5)
    await learn_all(disk, payments)
    await state(disk, [(1, "analyst", FRAUD)])
    disk.owner = "another"
    old = MemoryScores(disk, "old")
    (case,) = await old.due(covered=0, most=10)
    assert not await old.decide([case], last=0)
    assert disk.cases["autopay:T-1"].due_ms


async def test_a_payment_s_next_verdict_waits_until_its_last_is_saved() -> None:
    """Of two verdicts of one payment the first can't be read any more, so it must be saved before there is a second."""
    disk, payments = Disk(), traffic(10)
    await learn_all(disk, payments)
    await state(disk, [(1, "analyst", FRAUD)])
    replica = Replica(disk, ScriptedFeed(payments), flush_s=60.0)
    replica.start()
    await until(lambda: disk.decided == 1)
    await state(disk, [(1, "analyst", LEGITIMATE)])
    await asyncio.sleep(0.05)
    assert disk.decided == 1
    await replica.drain()
    await judge_all(disk, payments)
    assert disk.decided == 2
    assert_same_memories(memories_of(disk.profiles), judged_by_hand(payments, {1: False}))


async def test_a_label_that_changes_nothing_is_no_verdict() -> None:
    """A second source that says the same, and what was taken back before it counted, cost no verdict."""
    disk, payments = Disk(), traffic(10)
    await learn_all(disk, payments)
    await state(disk, [(1, "analyst", FRAUD), (2, "analyst", FRAUD), (2, "analyst", UNSURE)])
    await judge_all(disk, payments)
    await state(disk, [(1, "bank", FRAUD)])
    await judge_all(disk, payments)
    assert disk.decided == 1


async def test_disputes_label_by_the_feed() -> None:
    """A dispute over fraud labels its payment, one that is over takes that back; an unknown payment is passed over."""
    disk, payments = Disk(), traffic(10)
    opened = Dispute(source="autopay", tx_id="T-3", version=2, label=FRAUD)
    over = Dispute(source="autopay", tx_id="T-3", version=3, label=UNSURE)
    nowhere = Dispute(source="autopay", tx_id="T-99", version=2, label=FRAUD)
    changes: list[Payment | Dispute | None] = [
        *payments,
        opened,
        nowhere,
        Dispute(source="autopay", tx_id="T-4", version=2, label=UNSURE),
    ]
    replica = await judge_all(disk, changes)
    assert replica.watcher.labels == [(FRAUD, "dispute")]
    assert_same_memories(memories_of(disk.profiles), judged_by_hand(payments, {3: True}))
    await judge_all(disk, [*changes, over])
    assert_same_memories(memories_of(disk.profiles), taught(payments))
    # Read again after a crash, the earlier change does not undo the later one.
    assert not await MemoryScores(disk).dispute(opened)
    assert disk.cases["autopay:T-3"].labels == {"dispute:autopay": UNSURE}


async def test_a_vector_of_other_features_teaches_the_memories_only() -> None:
    """A label of a payment that was learnt by another version of the features moves no weight."""
    disk, payments = Disk(), traffic(10)
    await learn_all(disk, payments)
    case = disk.cases["autopay:T-1"]
    disk.cases["autopay:T-1"] = replace(case, vector=b"\x01" + case.vector[1:])
    await state(disk, [(1, "analyst", FRAUD)])
    await judge_all(disk, payments)
    assert_same_memories(memories_of(disk.profiles), judged_by_hand(payments, {1: True}))
    assert scorecard_of(disk.position.judgement).weights == pytest.approx(PRIOR_WEIGHTS)


async def test_evidence_of_other_features_counts_for_nothing() -> None:
    """Saved by a version with other features, weights are the rules' own again, and ordinals go on."""
    disk, payments = Disk(), traffic(10)
    await learn_all(disk, payments)
    await state(disk, [(1, "analyst", FRAUD)])
    await judge_all(disk, payments)
    position = disk.position
    disk.position = type(position)(
        token=position.token, sequence=position.sequence, judgement=replace(position.judgement, features="1")
    )
    assert scorecard_of(disk.position.judgement) is RULES
    await state(disk, [(2, "analyst", FRAUD)])
    await judge_all(disk, payments)
    assert disk.position.judgement.ordinal == 2
    assert disk.position.judgement.taught == 1


async def test_every_replica_scores_by_the_newest_weights() -> None:
    """A replica that doesn't learn takes weights over once they are saved, and keeps them while the store is down."""
    disk, payments = Disk(), traffic(60)
    cache = ProfileCache(MemoryProfiles(disk), CacheLimits(), clock=lambda: 0.0, log=structlog.get_logger())
    scorer = Scorer(cache)
    follower = ScorecardFollower(MemoryLease(disk, "other"), scorer, every_s=0.001, log=structlog.get_logger())
    await follower.look()
    assert scorer.scorecard == RULES
    await learn_all(disk, payments)
    await state(disk, [(number, "analyst", FRAUD) for number in range(40)])
    await judge_all(disk, payments)
    disk.down = True
    following = asyncio.create_task(follower.run())
    await asyncio.sleep(0.01)
    assert scorer.scorecard == RULES
    disk.down = False
    await until(lambda: scorer.scorecard.verdicts == 40)
    assert scorer.scorecard.weights == scorecard_of(disk.position.judgement).weights
    following.cancel()
