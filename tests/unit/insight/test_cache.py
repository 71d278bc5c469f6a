"""The profile cache: one query per batch, bounds, ages, failures."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable

import pytest
import structlog

from services.insight.cache import CacheLimits, ProfileCache
from services.insight.memory import EMPTY, learn
from services.insight.ports import StoreDown
from services.insight.profile import Profile, ProfileState
from tests.fakes.insight_memory import Disk, MemoryProfiles

START_S = 1_700_000_000.0
LIMITS = CacheLimits(profiles_max=10, ttl_s=2.0, load_s_max=0.015)


class HandClock:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return its time."""
        return self.now_s


def a_state(sequence: int) -> ProfileState:
    """A stored profile of one payment."""
    return ProfileState(sequence=sequence, sends=learn(EMPTY, START_S, 3.0))


@pytest.fixture
def disk() -> Disk:
    """What the store holds."""
    return Disk()


@pytest.fixture
def clock() -> HandClock:
    """The cache's time."""
    return HandClock()


@pytest.fixture
async def make(disk: Disk, clock: HandClock) -> AsyncIterator[Callable[..., ProfileCache]]:
    """Makes caches and ends their loads."""
    made: list[ProfileCache] = []

    def make(*, learning: bool = False, limits: CacheLimits = LIMITS) -> ProfileCache:
        cache = ProfileCache(MemoryProfiles(disk), limits, clock=clock, log=structlog.get_logger())
        cache.reset(learning=learning)
        made.append(cache)
        return cache

    yield make
    for cache in made:
        await cache.close()


async def test_a_batch_is_one_query(disk: Disk, make: Callable[..., ProfileCache]) -> None:
    """What a batch misses is loaded in one query, absences are remembered, and nothing is asked twice."""
    disk.profiles["a"] = a_state(7)
    cache = make()
    await cache.refresh(["a", "b", "a"])
    await cache.refresh(["a", "b"])
    assert disk.queries == [("a", "b")]
    known, absent = cache.get("a"), cache.get("b")
    assert known is not None
    assert known.state() == a_state(7)
    assert absent is not None
    assert absent.state() == Profile().state()


async def test_profiles_age_where_another_replica_learns(
    disk: Disk, clock: HandClock, make: Callable[..., ProfileCache]
) -> None:
    """After the time to live a profile is read again, an absence too."""
    cache = make()
    await cache.refresh(["a"])
    disk.profiles["a"] = a_state(9)
    clock.now_s += 2.1
    await cache.refresh(["a"])
    profile = cache.get("a")
    assert profile is not None
    assert profile.sequence == 9


async def test_the_learner_s_own_copies_do_not_age(
    disk: Disk, clock: HandClock, make: Callable[..., ProfileCache]
) -> None:
    """Where learning happens, memory is the truth and is not read again."""
    cache = make(learning=True)
    await cache.require(["a"])
    clock.now_s += 3600
    await cache.refresh(["a"])
    assert disk.queries == [("a",)]


async def test_the_cache_is_bounded(make: Callable[..., ProfileCache]) -> None:
    """What is used again and again stays, what isn't goes."""
    cache = make()
    for number in range(50):
        await cache.refresh(["often", f"k{number}"])
        assert len(cache) <= 10
        assert cache.get("often") is not None
        assert cache.get(f"k{number}") is not None
    assert cache.get("k30") is None


async def test_an_account_takes_less_than_a_kibibyte_of_memory(make: Callable[..., ProfileCache]) -> None:
    """With both sides full, key, place in the cache and all: what Python allocates, divided by the accounts."""
    cache = make(learning=True, limits=CacheLimits())

    async def fill(name: str, accounts: int) -> None:
        for number in range(accounts):
            key = f"a:autopay:{name}-{number:012}"
            if not number % 50:
                await cache.require(f"a:autopay:{name}-{number + place:012}" for place in range(50))
            profile = cache.get(key)
            assert profile is not None
            profile.sends = learn(EMPTY, START_S + number, 3.0, profile.mark)
            profile.receives = learn(EMPTY, START_S + number, 3.0, profile.mark)
            profile.sequence, profile.judged = 2**41 + number, 2**41 - number

    # The interpreter keeps what it may use again; that is no account's.
    await fill("before", 700)
    tracemalloc.start()
    await fill("account", 2_000)
    gc.collect()
    # Other tests' threads and the loop's own tasks are not an account's either.
    ours = [tracemalloc.Filter(inclusive=True, filename_pattern=each) for each in ("*/services/insight/*", __file__)]
    allocated = sum(each.size for each in tracemalloc.take_snapshot().filter_traces(ours).statistics("filename"))
    tracemalloc.stop()
    assert 700 < allocated / 2_000 <= 1_024


async def test_a_batch_is_whole_where_it_is_larger_than_half_of_the_bound(make: Callable[..., ProfileCache]) -> None:
    """What was just asked for is there, whatever had to go for it."""
    cache = make()
    await cache.refresh([f"k{number}" for number in range(8)])
    keys = [f"n{number}" for number in range(9)]
    await cache.refresh([*keys, "k3"])
    assert all(cache.get(key) for key in [*keys, "k3"])


async def test_what_is_not_saved_yet_is_never_evicted(disk: Disk, make: Callable[..., ProfileCache]) -> None:
    """A dirty profile stays though it was used longest ago, even where all are dirty, and is not read over."""
    cache = make(learning=True)
    await cache.require(["dirty"])
    profile = cache.get("dirty")
    assert profile is not None
    cache.dirty["dirty"] = profile
    for number in range(50):
        await cache.require([f"k{number}"])
    assert cache.get("dirty") is profile
    await cache.require(["dirty"])
    assert cache.get("dirty") is profile
    assert sum("dirty" in query for query in disk.queries) == 1
    assert len(cache) <= 10
    for number in range(46, 50):
        found = cache.get(f"k{number}")
        assert found is not None
        cache.dirty[f"k{number}"] = found
    await cache.require(["one more"])
    assert cache.get("one more") is not None
    assert all(cache.get(key) is kept for key, kept in cache.dirty.items())


async def test_scoring_does_not_wait_for_a_slow_store(disk: Disk, make: Callable[..., ProfileCache]) -> None:
    """A slow load is waited for 15 ms; its answer is there for the next batch."""
    disk.delay_s = 0.1
    cache = make()
    loop = asyncio.get_running_loop()
    started = loop.time()
    await cache.refresh(["a"])
    assert loop.time() - started < 0.08
    assert cache.get("a") is None
    await asyncio.sleep(0.12)
    assert cache.get("a") is not None


async def test_a_store_that_is_down_is_left_alone(
    disk: Disk, clock: HandClock, make: Callable[..., ProfileCache]
) -> None:
    """After a failed load nothing is asked for a second; then it is tried again. Learning is told at once."""
    disk.down = True
    cache = make()
    for _ in range(5):
        await cache.refresh(["a"])
    assert len(disk.queries) == 1
    clock.now_s += 1.1
    disk.down = False
    await cache.refresh(["a"])
    assert cache.get("a") is not None
    disk.down = True
    with pytest.raises(StoreDown):
        await cache.require(["b"])


async def test_loads_of_a_hanging_store_are_bounded(disk: Disk, make: Callable[..., ProfileCache]) -> None:
    """Of many batches that miss different profiles only a few ask a store that does not answer."""
    disk.delay_s = 30.0
    cache = make()
    await asyncio.gather(*(cache.refresh([f"k{number}"]) for number in range(50)))
    assert len(disk.queries) == 8


async def test_a_key_is_loaded_once_at_a_time(disk: Disk, make: Callable[..., ProfileCache]) -> None:
    """Scoring and learning that miss the same profile share one load and one copy."""
    disk.delay_s = 0.03
    cache = make(learning=True)
    await asyncio.gather(cache.refresh(["a"]), cache.require(["a", "b"]))
    assert sorted(disk.queries) == [("a",), ("b",)]


async def test_an_answer_from_before_a_reset_is_dropped(disk: Disk, make: Callable[..., ProfileCache]) -> None:
    """What was asked before this replica began to learn may be older than what the last one saved."""
    disk.profiles["a"] = a_state(1)
    disk.delay_s = 0.05
    cache = make()
    asking = asyncio.create_task(cache.refresh(["a"]))
    await asyncio.sleep(0.01)
    cache.reset(learning=True)
    disk.profiles["a"] = a_state(2)
    await cache.require(["a"])
    await asking
    profile = cache.get("a")
    assert profile is not None
    assert profile.sequence == 2


async def test_where_all_profiles_are_in_memory_nobody_is_asked_for(
    disk: Disk, make: Callable[..., ProfileCache]
) -> None:
    """Once everything stored was read, a stored profile is known and an unknown account has none, without a query."""
    disk.profiles |= {f"stored {number}": a_state(number) for number in range(1_200)}
    cache = make(learning=True, limits=CacheLimits(profiles_max=4_000))
    await cache.read_all()
    await cache.require(["stored 7", "stored 1199", "new"])
    assert disk.queries == []
    known, unknown = cache.get("stored 7"), cache.get("new")
    assert known is not None
    assert (known.sequence, known.stored) == (7, True)
    assert unknown is not None
    assert (unknown.sequence, unknown.stored) == (0, False)


async def test_where_not_all_profiles_are_in_memory_the_store_is_asked(
    disk: Disk, make: Callable[..., ProfileCache]
) -> None:
    """More than fit, one that had to leave, or another replica that learns: absence from memory says nothing."""
    disk.profiles |= {f"stored {number}": a_state(number) for number in range(6)}
    too_many = make(learning=True)
    await too_many.read_all()
    await too_many.require(["stored 5", "new"])
    assert disk.queries == [("stored 5", "new")]

    left = make(learning=True, limits=CacheLimits(profiles_max=12))
    await left.read_all()
    for number in range(20):
        await left.require([f"another {number}"])
    await left.require(["stored 5"])
    assert ("stored 5",) in disk.queries
    again = left.get("stored 5")
    assert again is not None
    assert again.sequence == 5

    follows = make(learning=False, limits=CacheLimits(profiles_max=100))
    await follows.read_all()
    await follows.refresh(["elsewhere"])
    assert disk.queries[-1] == ("elsewhere",)


async def test_reading_everything_overwrites_nothing_learnt_meanwhile(
    disk: Disk, make: Callable[..., ProfileCache]
) -> None:
    """Neither reading all nor a load that was under way before brings back a copy older than the one in memory."""
    disk.profiles["a"] = a_state(7)
    disk.delay_s = 0.02
    cache = make(learning=True, limits=CacheLimits(profiles_max=100))
    asked = asyncio.create_task(cache.refresh(["a", "b"], within_s=1.0))
    await asyncio.sleep(0.002)
    assert disk.queries == [("a", "b")]
    disk.delay_s = 0.0
    await cache.read_all()
    await cache.require(["a", "b"])
    for key in ("a", "b"):
        profile = cache.get(key)
        assert profile is not None
        profile.sequence = 9
        cache.dirty[key] = profile
    await asked
    await cache.read_all()
    for key in ("a", "b"):
        profile = cache.get(key)
        assert profile is cache.dirty[key]
        assert profile.sequence == 9
