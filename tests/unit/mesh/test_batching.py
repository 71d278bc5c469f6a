"""Natural batching: what leaves when, and how much of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from mesh.batching import Batcher, BatchLimits
from mesh.errors import Fault, Kind
from tests.fakes.sender import Sender, after, answers_of

VIRTUAL_TIME = True

LIMITS = BatchLimits(inflight_max=1, wait_s_max=10, attempt_s_max=5)


def batcher_of(sender: Sender, limits: BatchLimits = LIMITS) -> Batcher[str, str]:
    """Return a batcher in front of a sender."""
    return Batcher(sender, limits, name="the test")


def submit_all(batcher: Batcher[str, str], items: Sequence[str], *, size: int = 1) -> list[asyncio.Future[str]]:
    """Submit items of one size in one turn of the loop."""
    return [batcher.submit(item, size=size) for item in items]


async def test_the_first_entry_leaves_at_once() -> None:
    """An entry that finds nothing out is sent in the same instant, without a timer."""
    sender = Sender()
    batcher = batcher_of(sender)
    assert await batcher.submit("a", size=1) == "answer to a"
    assert sender.batches == [["a"]]
    assert sender.sent_at_s == [0.0]


async def test_entries_of_one_turn_leave_together() -> None:
    """What is submitted before the loop turns is one batch, and every entry gets its own answer."""
    sender = Sender()
    answers = await asyncio.gather(*submit_all(batcher_of(sender), ["a", "b", "c"]))
    assert sender.batches == [["a", "b", "c"]]
    assert answers == answers_of(["a", "b", "c"])


async def test_what_arrives_while_a_batch_is_out_is_the_next_batch() -> None:
    """Entries that come one by one while a batch is out leave together when it returns."""
    sender = Sender(after(1.0))
    batcher = batcher_of(sender)
    futures = submit_all(batcher, ["a"])
    for item in ("b", "c", "d"):
        await asyncio.sleep(0.2)
        futures.append(batcher.submit(item, size=1))
    await asyncio.gather(*futures)
    assert sender.batches == [["a"], ["b", "c", "d"]]
    assert sender.sent_at_s == [0.0, 1.0]


async def test_as_many_batches_are_out_as_allowed() -> None:
    """With two batches allowed out, a second arrival does not wait for the first and a third does."""
    sender = Sender(after(1.0))
    batcher = batcher_of(sender, replace(LIMITS, inflight_max=2))
    futures = submit_all(batcher, ["a"])
    await asyncio.sleep(0.1)
    futures += submit_all(batcher, ["b"])
    await asyncio.sleep(0.1)
    futures += submit_all(batcher, ["c"])
    await asyncio.gather(*futures)
    assert sender.batches == [["a"], ["b"], ["c"]]
    assert sender.sent_at_s == pytest.approx([0.0, 0.1, 1.0])
    assert sender.out_max == 2


async def test_a_full_batch_leaves_beside_those_that_are_out() -> None:
    """Where one more is allowed out if it is full, what fills a batch leaves at once, and what doesn't waits."""
    sender = Sender(after(1.0))
    batcher = batcher_of(sender, replace(LIMITS, inflight_full_max=2, weight_max=3))
    futures = submit_all(batcher, ["a"])
    await asyncio.sleep(0.1)
    futures += submit_all(batcher, ["b", "c"])
    await asyncio.sleep(0.1)
    futures += submit_all(batcher, ["d"])
    await asyncio.sleep(0.1)
    futures += submit_all(batcher, ["e", "f", "g"])
    await asyncio.gather(*futures)
    assert sender.batches == [["a"], ["b", "c", "d"], ["e", "f", "g"]]
    assert sender.sent_at_s == pytest.approx([0.0, 0.2, 1.0])
    assert sender.out_max == 2


async def test_a_batch_that_hangs_holds_up_the_next_for_half_of_its_time() -> None:
    """Behind one that does not come back, what has waited so long leaves as if it were full, and no more than may."""
    sender = Sender(after(4.0))
    batcher = batcher_of(sender, replace(LIMITS, inflight_full_max=3, attempt_s_max=0.5))
    futures = submit_all(batcher, ["a"])
    for item in ("b", "c", "d", "e"):
        await asyncio.sleep(0.2)
        futures += submit_all(batcher, [item])
    await asyncio.gather(*futures)
    assert sender.batches == [["a"], ["b", "c"], ["d", "e"]]
    # Looked at every twentieth of a second, and whenever something comes.
    assert sender.sent_at_s == pytest.approx([0.0, 0.45, 0.85], abs=0.051)
    assert sender.out_max == 3


async def test_a_batch_holds_no_more_items_than_allowed() -> None:
    """What is over the item limit waits for the next batch, in order."""
    sender = Sender()
    batcher = batcher_of(sender, replace(LIMITS, weight_max=2))
    await asyncio.gather(*submit_all(batcher, ["a", "b", "c", "d", "e"]))
    assert sender.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_an_entry_counts_by_its_weight() -> None:
    """An entry that stands for several items takes that much of the batch, and alone may be over the limit."""
    sender = Sender()
    batcher = batcher_of(sender, replace(LIMITS, weight_max=4))
    futures = [batcher.submit(item, size=1, weight=weight) for item, weight in (("a", 3), ("b", 1), ("c", 9), ("d", 1))]
    await asyncio.gather(*futures)
    assert sender.batches == [["a", "b"], ["c"], ["d"]]


async def test_a_batch_holds_no_more_bytes_than_allowed() -> None:
    """What is over the byte limit waits for the next batch, and one entry alone may be over it."""
    sender = Sender()
    batcher = batcher_of(sender, replace(LIMITS, batch_bytes_max=100))
    futures = [batcher.submit(item, size=size) for item, size in (("a", 60), ("b", 40), ("c", 250), ("d", 1))]
    await asyncio.gather(*futures)
    assert sender.batches == [["a", "b"], ["c"], ["d"]]


async def test_the_sender_is_told_the_budget_of_its_hop() -> None:
    """Each sending gets the attempt's whole deadline, however long its entries have waited already."""
    sender = Sender(after(3.0))
    batcher = batcher_of(sender)
    futures = submit_all(batcher, ["a"])
    await asyncio.sleep(0.5)
    futures += submit_all(batcher, ["b"])
    await asyncio.gather(*futures)
    assert sender.timeouts_s == [5, 5]


@pytest.mark.parametrize("limits", [replace(LIMITS, queue_items_max=3), replace(LIMITS, queue_bytes_max=30)])
async def test_a_full_queue_refuses_and_keeps_what_it_has(limits: BatchLimits) -> None:
    """Over the bound in entries or in bytes `submit` raises EXHAUSTED at once, and the accepted are answered."""
    sender = Sender(after(1.0))
    batcher = batcher_of(sender, limits)
    accepted = submit_all(batcher, ["a", "b", "c"], size=10)
    with pytest.raises(Fault) as refused:
        batcher.submit("d", size=10)
    assert refused.value.kind is Kind.EXHAUSTED
    assert refused.value.reason == "OVERLOADED"
    assert refused.value.retry_after_s == 1.0
    assert await asyncio.gather(*accepted) == answers_of(["a", "b", "c"])


async def test_entries_out_count_towards_the_bound() -> None:
    """An entry holds its place and its bytes until its batch has come back, not only until it is sent."""
    sender = Sender(after(1.0))
    batcher = batcher_of(sender)
    futures = submit_all(batcher, ["a", "b"], size=50)
    assert batcher.waiting == (2, 100)
    await asyncio.sleep(0.5)
    assert batcher.waiting == (2, 100)
    await asyncio.gather(*futures)
    assert batcher.waiting == (0, 0)


async def test_a_cancelled_entry_is_not_sent() -> None:
    """An entry whose waiter gave up while it was queued is dropped, and its bytes are free."""
    sender = Sender(after(1.0))
    batcher = batcher_of(sender)
    first = submit_all(batcher, ["a"])
    await asyncio.sleep(0)
    rest = submit_all(batcher, ["b", "c", "d"])
    rest[1].cancel()
    await asyncio.gather(*first, rest[0], rest[2])
    assert sender.batches == [["a"], ["b", "d"]]
    assert batcher.waiting == (0, 0)


async def test_an_entry_cancelled_while_it_is_out_harms_nobody() -> None:
    """Cancelling one entry of a batch that is out leaves the others their answers."""
    sender = Sender(after(1.0))
    batcher = batcher_of(sender)
    futures = submit_all(batcher, ["a", "b"])
    await asyncio.sleep(0.5)
    futures[0].cancel()
    assert await futures[1] == "answer to b"
    assert batcher.waiting == (0, 0)


@dataclass
class Seen:
    """An observer that keeps what it is told."""

    batches: list[tuple[int, int, float]] = field(default_factory=list)

    def sent(self, *, entries: int, weight: int, waited_s: float) -> None:
        """Keep one batch."""
        self.batches.append((entries, weight, round(waited_s, 6)))


async def test_the_observer_is_told_of_each_batch() -> None:
    """Metrics see the entries and weight of every batch, and how long its oldest entry waited."""
    seen = Seen()
    batcher: Batcher[str, str] = Batcher(Sender(after(1.0)), LIMITS, name="the test", observer=seen)
    futures = [batcher.submit("a", size=1, weight=5)]
    await asyncio.sleep(0.25)
    futures += [batcher.submit("b", size=1), batcher.submit("c", size=1, weight=2)]
    await asyncio.gather(*futures)
    assert seen.batches == [(1, 5, 0.0), (2, 3, 0.75)]
