"""Natural batching when things go wrong: late answers, retries, poison, wrong answers, the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from mesh.batching import Batcher, BatchLimits
from mesh.errors import Fault, Kind
from tests.fakes.sender import Sender, after, answers_of, fault, poisoned_by, raising, short_by

VIRTUAL_TIME = True

LIMITS = BatchLimits(inflight_max=1, wait_s_max=2, attempt_s_max=1)
RETRYING = replace(LIMITS, retry=True)
HANGS = after(3600)


def batcher_of(sender: Sender, limits: BatchLimits = LIMITS) -> Batcher[str, str]:
    """Return a batcher in front of a sender."""
    return Batcher(sender, limits, name="the test")


def submit_all(batcher: Batcher[str, str], items: Sequence[str]) -> list[asyncio.Future[str]]:
    """Submit items of one byte in one turn of the loop."""
    return [batcher.submit(item, size=1) for item in items]


async def outcomes(futures: Sequence[asyncio.Future[str]]) -> list[str | Kind]:
    """Return each entry's answer, or the kind of its fault."""
    done = await asyncio.gather(*futures, return_exceptions=True)
    return [each.kind if isinstance(each, Fault) else str(each) for each in done]


def now() -> float:
    """Return the loop's time in seconds."""
    return asyncio.get_running_loop().time()


async def test_a_hanging_sender_is_not_waited_for() -> None:
    """Every entry is told within its wait, to the sweep's 50 ms, that nothing is known, even if the sender hangs."""
    batcher = batcher_of(Sender(HANGS))
    out, queued = batcher.submit("a", size=1), batcher.submit("b", size=1)
    assert await outcomes([out, queued]) == [Kind.TIMEOUT, Kind.TIMEOUT]
    assert now() == pytest.approx(2.0, abs=0.06)
    reason = out.exception()
    assert isinstance(reason, Fault)
    assert reason.reason == "NOT_DURABLE"
    assert reason.retryable


async def test_expired_entries_are_not_sent_and_free_their_bytes() -> None:
    """What ran out of time in the queue is never sent, and its bytes are free while the hanging batch keeps its own."""
    sender = Sender(after(5.0), after(0))
    batcher = batcher_of(sender)
    out = batcher.submit("a", size=10)
    await asyncio.sleep(0)
    queued = [batcher.submit(item, size=100) for item in ("b", "c")]
    await outcomes([out, *queued])
    await asyncio.sleep(0.1)
    assert batcher.waiting == (1, 10)
    await asyncio.sleep(5)
    assert batcher.waiting == (0, 0)
    assert sender.batches == [["a"]]


async def test_an_answer_after_the_wait_is_ignored() -> None:
    """A batch that comes back after its entries were given up changes nothing, and the next one is served."""
    sender = Sender(after(2.5), after(0))
    batcher = batcher_of(sender)
    late = batcher.submit("a", size=1)
    assert await outcomes([late]) == [Kind.TIMEOUT]
    assert await batcher.submit("b", size=1) == "answer to b"


async def test_a_retryable_fault_is_not_retried_unless_asked() -> None:
    """Retries live in one hop only: without `retry` the entry gets the fault at the first failure."""
    sender = Sender(raising(fault(Kind.UNAVAILABLE)), after(0))
    assert await outcomes([batcher_of(sender).submit("a", size=1)]) == [Kind.UNAVAILABLE]
    assert sender.batches == [["a"]]


@pytest.mark.parametrize("kind", [Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.LOST_RACE, Kind.EXHAUSTED, Kind.CANCELLED])
async def test_a_retryable_fault_is_retried_with_the_same_items(kind: Kind) -> None:
    """With `retry` the same batch goes out again, after a pause, until it is answered."""
    sender = Sender(raising(fault(kind)), raising(fault(kind)), after(0))
    futures = submit_all(batcher_of(sender, RETRYING), ["a", "b"])
    assert await outcomes(futures) == answers_of(["a", "b"])
    assert sender.batches == [["a", "b"]] * 3
    pauses = [later - earlier for earlier, later in zip(sender.sent_at_s, sender.sent_at_s[1:], strict=False)]
    assert all(pause > 0.01 for pause in pauses)


async def test_a_retry_leaves_out_whoever_gave_up() -> None:
    """An entry cancelled between two attempts is not sent again."""
    sender = Sender(raising(fault(Kind.UNAVAILABLE), delay_s=0.5), after(0))
    batcher = batcher_of(sender, RETRYING)
    futures = submit_all(batcher, ["a", "b"])
    await asyncio.sleep(0.25)
    futures[0].cancel()
    assert await futures[1] == "answer to b"
    assert sender.batches == [["a", "b"], ["b"]]


async def test_retries_end_when_the_wait_ends() -> None:
    """A fault that never goes away is answered when the wait is over, and nothing is sent after that."""
    sender = Sender(raising(fault(Kind.UNAVAILABLE)))
    batcher = batcher_of(sender, RETRYING)
    assert await outcomes([batcher.submit("a", size=1)]) == [Kind.TIMEOUT]
    assert 4 <= len(sender.batches) <= 100
    await asyncio.sleep(1)
    sent = len(sender.batches)
    await asyncio.sleep(10)
    assert len(sender.batches) == sent
    assert batcher.waiting == (0, 0)


@pytest.mark.parametrize("kind", [Kind.INVALID, Kind.FORBIDDEN, Kind.UNIMPLEMENTED, Kind.OUT_OF_RANGE])
async def test_a_fault_for_good_goes_to_every_entry(kind: Kind) -> None:
    """What no repeat can mend is neither retried nor split: each entry gets the fault."""
    sender = Sender(raising(fault(kind)))
    futures = submit_all(batcher_of(sender, RETRYING), ["a", "b"])
    assert await outcomes(futures) == [kind, kind]
    assert len(sender.batches) == 1


@pytest.mark.parametrize("limits", [LIMITS, RETRYING])
async def test_a_poison_item_fails_alone(limits: BatchLimits) -> None:
    """On INTERNAL the batch is sent once more, item by item, so that only the guilty one is refused."""
    items = [f"item-{number}" for number in range(256)]
    sender = Sender(poisoned_by("item-77"))
    futures = submit_all(batcher_of(sender, limits), items)
    expected: list[str | Kind] = [*answers_of(items)]
    expected[77] = Kind.INTERNAL
    assert await outcomes(futures) == expected
    assert sorted(map(len, sender.batches), reverse=True)[:2] == [256, 1]
    assert len(sender.batches) == 257


async def test_a_split_batch_does_not_flood_the_sender() -> None:
    """The single sendings of a split batch go out eight at a time."""
    sender = Sender(poisoned_by("item-0"))
    batcher = batcher_of(sender)
    await outcomes(submit_all(batcher, [f"item-{number}" for number in range(64)]))
    assert sender.out_max == 8


async def test_a_lost_call_of_a_split_batch_lets_no_other_batch_out_early() -> None:
    """An entry whose own call is lost is told at once; the next batch leaves when the rest of the split one is back."""
    sender = Sender(raising(fault(Kind.INTERNAL)), raising(asyncio.CancelledError()), after(0.8), after(0))
    batcher = batcher_of(sender)
    lost, slow = submit_all(batcher, ["lost", "slow"])
    assert await outcomes([lost]) == [Kind.UNAVAILABLE]
    following = batcher.submit("following", size=1)
    await asyncio.sleep(0.5)
    assert sender.batches == [["lost", "slow"], ["lost"], ["slow"]]
    assert batcher.waiting == (3, 3)
    assert await outcomes([slow, following]) == answers_of(["slow", "following"])
    assert now() == pytest.approx(0.8, abs=0.01)


async def test_a_single_poison_item_is_sent_once() -> None:
    """There is nothing to split in a batch of one: INTERNAL is its answer."""
    sender = Sender(poisoned_by("a"))
    assert await outcomes([batcher_of(sender).submit("a", size=1)]) == [Kind.INTERNAL]
    assert sender.batches == [["a"]]


async def test_a_bug_in_the_sender_answers_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is INTERNAL to the entry without a word of its text, and a traceback in the log."""
    sender = Sender(raising(KeyError("a secret detail")))
    with caplog.at_level(logging.ERROR), pytest.raises(Fault) as raised:
        await batcher_of(sender).submit("a", size=1)
    assert raised.value.kind is Kind.INTERNAL
    assert raised.value.reason == "INTERNAL"
    assert "secret" not in raised.value.message
    assert "a secret detail" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("wrong_by", [1, -1])
async def test_a_wrong_number_of_answers_answers_nobody(wrong_by: int) -> None:
    """Answers that can't be matched to entries are a bug: each entry is sent alone, and fails if that is no better."""
    sender = Sender(short_by(wrong_by), after(0), short_by(wrong_by))
    futures = submit_all(batcher_of(sender), ["a", "b"])
    assert await outcomes(futures) == ["answer to a", Kind.INTERNAL]
    assert sender.batches == [["a", "b"], ["a"], ["b"]]


async def test_a_sending_that_was_cancelled_answers_its_entries_at_once() -> None:
    """A channel that is closed cancels its calls: the entries are told to come again, not left to their timeout."""
    sender = Sender(raising(asyncio.CancelledError(), delay_s=0.1))
    batcher = batcher_of(sender)
    assert await outcomes([batcher.submit("a", size=1)]) == [Kind.UNAVAILABLE]
    assert now() == pytest.approx(0.1, abs=0.01)
    assert batcher.waiting == (0, 0)


async def test_close_finishes_what_was_accepted() -> None:
    """After `close` nothing new is accepted, and what was accepted before is sent and answered."""
    sender = Sender(after(0.5))
    batcher = batcher_of(sender)
    out = batcher.submit("a", size=1)
    await asyncio.sleep(0)
    queued = batcher.submit("b", size=1)
    closing = asyncio.ensure_future(batcher.close(grace_s=5))
    await asyncio.sleep(0)
    with pytest.raises(Fault) as refused:
        batcher.submit("c", size=1)
    assert refused.value.kind is Kind.UNAVAILABLE
    await closing
    assert now() == pytest.approx(1.0, abs=0.05)
    assert await outcomes([out, queued]) == answers_of(["a", "b"])


async def test_close_does_not_wait_longer_than_its_grace() -> None:
    """When the grace is over the rest is failed, sent or not, and the sender's calls are cancelled."""
    sender = Sender(HANGS)
    batcher = batcher_of(sender)
    futures = [batcher.submit("a", size=1)]
    await asyncio.sleep(0)
    futures.append(batcher.submit("b", size=1))
    await batcher.close(grace_s=0.5)
    assert now() == pytest.approx(0.5, abs=0.05)
    assert await outcomes(futures) == [Kind.TIMEOUT, Kind.TIMEOUT]
    await asyncio.sleep(0.1)
    assert sender.out == 0
    assert sender.batches == [["a"]]
