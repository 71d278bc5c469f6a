"""The hub shares one stream; a watcher loses nothing, sees nothing twice, and is told when that can't be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import Fault, Kind
from services.ledger.change_hub import ChangeHub, WatchLimits
from services.ledger.read_ports import ANY_PAYMENT, PaymentChange, PaymentFilter
from services.ledger.watching import Watching
from tests.fakes.change_feed import MemoryFeed

Message = tuple[list[str], str]


def render(changes: Sequence[PaymentChange], position: str) -> Message:
    """A message as plain values."""
    return [change.tx_id for change in changes], position


@asynccontextmanager
async def hub_on(feed: MemoryFeed, **limits: Any) -> AsyncIterator[tuple[Watching[Message], ChangeHub[Message]]]:
    """A hub that ends with the context; it gathers for no time."""
    hub: ChangeHub[Message] = ChangeHub(feed, render, WatchLimits(gather_s=0, **{"linger_s": 0, **limits}))
    try:
        yield Watching(feed, hub, render), hub
    finally:
        await hub.close()


async def take(
    watching: Watching[Message], position: str | None, count: int, wanted: PaymentFilter = ANY_PAYMENT
) -> list[str]:
    """The first so many changes after a position."""
    seen: list[str] = []
    async with aclosing(watching.watch(position, wanted, heartbeat_s=5)) as messages:
        async for changes, _ in messages:
            seen += changes
            if len(seen) >= count:
                break
    return seen


def numbers(*values: int) -> list[str]:
    """Positions of these numbers."""
    return [f"{value:06}" for value in values]


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(min_value=0, max_value=300),
    ring=st.integers(min_value=0, max_value=200),
    group=st.integers(min_value=1, max_value=64),
    cuts=st.lists(st.integers(min_value=1, max_value=400), max_size=5),
)
def test_from_any_position_exactly_the_rest_comes(start: int, ring: int, group: int, cuts: list[int]) -> None:
    """Wherever a watcher starts and however changes arrive meanwhile, it sees each later one once, in order."""

    async def run() -> None:
        feed = MemoryFeed()
        feed.append(range(1, 101))
        async with hub_on(feed, ring_max=ring, group_max=group) as (watching, _):
            early = asyncio.create_task(take(watching, "000000", 400))
            late = asyncio.create_task(take(watching, f"{start:06}", 400 - start))
            at = 101
            for cut in sorted({cut for cut in cuts if cut > 100} | {400}):
                feed.append(range(at, cut + 1))
                at = cut + 1
                await asyncio.sleep(0)
            assert await early == numbers(*range(1, 401))
            assert await late == numbers(*range(start + 1, 401))

    asyncio.run(run())


async def test_interruptions_go_unnoticed() -> None:
    """While storage is away a watcher waits; afterwards it gets everything, once."""
    feed = MemoryFeed()
    async with hub_on(feed) as (watching, _):
        task = asyncio.create_task(take(watching, "000000", 30))
        for start in (1, 11, 21):
            feed.append(range(start, start + 10))
            await asyncio.sleep(0.06)
            feed.reachable = False
            feed.wake()
            await asyncio.sleep(0.06)
            feed.reachable = True
        assert await task == numbers(*range(1, 31))
    assert feed.open_now == 0


async def test_a_lost_history_is_told() -> None:
    """A token older than the history is OUT_OF_RANGE, for who comes and for who is there."""
    feed = MemoryFeed()
    feed.append(range(1, 10))
    feed.kept_from = "000005"
    async with hub_on(feed) as (watching, _):
        with pytest.raises(Fault) as refused:
            await take(watching, "000004", 1)
        assert (refused.value.kind, refused.value.reason) == (Kind.OUT_OF_RANGE, "TOKEN_TOO_OLD")
        there = asyncio.create_task(take(watching, "000007", 100))
        await asyncio.sleep(0.05)
        feed.reachable = False
        feed.wake()
        feed.kept_from = "000020"
        feed.changes.clear()
        feed.append(range(21, 23))
        await asyncio.sleep(0.1)
        feed.reachable = True
        with pytest.raises(Fault) as refused:
            await there
        assert refused.value.reason == "TOKEN_TOO_OLD"
        assert refused.value.metadata["resume_token"] == "000009"
        assert await take(watching, "000021", 1) == numbers(22)


async def test_a_mistake_is_told_and_not_waited_out(caplog: pytest.LogCaptureFixture) -> None:
    """When an entry can't be read the watchers are told, the log has the traceback, and the hub lives on."""
    feed = MemoryFeed()
    async with hub_on(feed) as (watching, _):
        there = asyncio.create_task(take(watching, None, 1))
        await asyncio.sleep(0.05)
        feed.mistake = KeyError("events")
        feed.wake()
        with pytest.raises(Fault) as refused:
            await there
        assert refused.value.kind is Kind.UNAVAILABLE
        assert any(record.exc_info for record in caplog.records)
        feed.mistake = None
        again = asyncio.create_task(take(watching, None, 1))
        await asyncio.sleep(0.2)
        feed.append([1])
        assert await again == numbers(1)


async def test_a_slow_reader_is_cut_off_with_its_last_position() -> None:
    """More changes behind than the bound, and the watcher is told where to resume; others go on."""
    feed = MemoryFeed()
    async with hub_on(feed, behind_max=250, ring_max=100) as (watching, _):
        slow = watching.watch(None, ANY_PAYMENT, heartbeat_s=5)
        await anext(slow)
        waiting = asyncio.create_task(anext(slow))
        await asyncio.sleep(0)
        feed.append(range(1, 51))
        first, position = await waiting
        assert first == numbers(*range(1, 51))
        quick = asyncio.create_task(take(watching, position, 350))
        await asyncio.sleep(0)
        feed.append(range(51, 401))
        assert await quick == numbers(*range(51, 401))
        with pytest.raises(Fault) as refused:
            await anext(slow)
        assert (refused.value.kind, refused.value.reason) == (Kind.EXHAUSTED, "SLOW_READER")
        assert refused.value.metadata["resume_token"] == "000050"
        assert await take(watching, "000050", 350) == numbers(*range(51, 401))


async def test_watchers_with_one_filter_share_their_messages() -> None:
    """A message is made once per filter, not once per watcher."""
    feed = MemoryFeed()
    made: list[str] = []

    def counted(changes: Sequence[PaymentChange], position: str) -> Message:
        if changes:
            made.append(position)
        return render(changes, position)

    hub: ChangeHub[Message] = ChangeHub(feed, counted, WatchLimits(gather_s=0))
    watching = Watching(feed, hub, counted)
    only_a = PaymentFilter(source="a")
    tasks = [asyncio.create_task(take(watching, None, 2)) for _ in range(20)]
    tasks += [asyncio.create_task(take(watching, None, 1, only_a)) for _ in range(20)]
    await asyncio.sleep(0.05)
    feed.append([1], source="b")
    await asyncio.sleep(0.05)
    feed.append([2], source="a")
    answers = await asyncio.gather(*tasks)
    await hub.close()
    assert answers == [numbers(1, 2)] * 20 + [numbers(2)] * 20
    assert made == numbers(1, 2, 2)


async def test_no_watcher_no_stream() -> None:
    """The stream is opened by the first watcher, shared by all, and closed after the last."""
    feed = MemoryFeed()
    async with hub_on(feed) as (watching, _):
        await asyncio.sleep(0.01)
        assert feed.opened == 0
        tasks = [asyncio.create_task(take(watching, None, 1)) for _ in range(10)]
        await asyncio.sleep(0.05)
        assert (feed.opened, feed.open_now) == (1, 1)
        feed.append([1])
        await asyncio.gather(*tasks)
        await asyncio.sleep(0.05)
        assert feed.open_now == 0


async def test_storage_away_is_said_in_time() -> None:
    """A watcher that comes while storage is away is told so, and does not wait for ever."""
    feed = MemoryFeed()
    feed.reachable = False
    async with hub_on(feed, connect_s_max=0.05) as (watching, _):
        with pytest.raises(Fault) as refused:
            await take(watching, None, 1)
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "DEPENDENCY_DOWN")


async def test_one_watcher_too_many_is_refused() -> None:
    """Over the bound a watcher is refused at once; the others are not touched."""
    feed = MemoryFeed()
    async with hub_on(feed, watchers_max=1) as (watching, _):
        task = asyncio.create_task(take(watching, None, 1))
        await asyncio.sleep(0.02)
        with pytest.raises(Fault) as refused:
            await take(watching, None, 1)
        assert refused.value.kind is Kind.EXHAUSTED
        feed.append([1])
        assert await task == numbers(1)


async def test_a_closing_hub_sends_watchers_elsewhere() -> None:
    """On shutdown each watcher gets UNAVAILABLE with its last position, and nobody new is taken."""
    feed = MemoryFeed()
    async with hub_on(feed) as (watching, hub):
        task = asyncio.create_task(take(watching, "000000", 2))
        feed.append([1])
        await asyncio.sleep(0.05)
        await hub.close()
        with pytest.raises(Fault) as refused:
            await task
        assert refused.value.kind is Kind.UNAVAILABLE
        assert refused.value.metadata["resume_token"] == "000001"
        with pytest.raises(Fault):
            await take(watching, None, 1)
    assert feed.open_now == 0


async def test_a_silent_stream_tells_the_newest_position() -> None:
    """Heartbeats carry the position behind changes that the filter kept back."""
    feed = MemoryFeed()
    async with hub_on(feed) as (watching, _):
        messages = watching.watch(None, PaymentFilter(source="a"), heartbeat_s=0.05)
        assert await anext(messages) == ([], "000000")
        feed.append([1, 2], source="b")
        changes, position = await anext(messages)
        assert (changes, position) == ([], "000002")
        await messages.aclose()


@pytest.mark.parametrize("token", ["x", "", "0000000"])
async def test_no_position_is_refused_before_anything_is_opened(token: str) -> None:
    """What is no position is INVALID, even where it would sort behind everything."""
    feed = MemoryFeed()
    async with hub_on(feed) as (watching, _):
        with pytest.raises(Fault) as refused:
            await take(watching, token, 1)
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "TOKEN_INVALID")
    assert feed.opened == 0
