"""Rate limits in memory: who is told 429, who never is, and what happens when nothing can be counted."""

from __future__ import annotations

import asyncio
import io
import time
from typing import Any

import pytest
from limits.aio.storage import MemoryStorage
from prometheus_client import CollectorRegistry

from edge import limits
from edge.limits import Budget, Counter, Over, Unlimited
from edge.settings import EdgeSettings, rate_of
from mesh import logs
from mesh.errors import Fault
from tests.unit.edge.rig import BODY, Edge, running_edge, signed


async def statuses(edge: Edge, count: int, **headers: str) -> list[int]:
    """Send deliveries with a wrong signature."""
    wrong = {**signed(BODY, secret="not ours"), **headers}
    return [(await edge.deliver(headers=wrong)).status for _ in range(count)]


def counter(storage: MemoryStorage | None = None) -> Counter:
    """Return a counter in memory."""
    log = logs.configure("edge", "info", io.TextIOWrapper(io.BytesIO()))
    return Counter(storage or MemoryStorage(), CollectorRegistry(), log)


def budget(text: str, counted: Counter) -> Budget:
    """Return a limit of a counter."""
    item = rate_of(text)
    assert item is not None
    return Budget("tested", item, counted)


async def test_wrong_signatures_are_403_and_then_429() -> None:
    """Over the limit the same refusal is 429 with Retry-After: the guessing is told to slow down."""
    async with running_edge(limit_unverified="3/minute") as edge:
        assert await statuses(edge, 5) == [403, 403, 403, 429, 429]
        got = await edge.deliver(headers=signed(BODY, secret="not ours"))
    assert (got.json["reason"], got.json["status"]) == ("RATE_LIMITED", 429)
    assert 1 <= int(got.headers["Retry-After"]) <= 60


async def test_a_flood_of_wrong_signatures_hurts_no_good_one_from_its_address() -> None:
    """What verifies is accepted, however many others from the same address did not."""
    async with running_edge(limit_unverified="3/minute") as edge:
        flood = asyncio.gather(*(statuses(edge, 40) for _ in range(5)))
        good = [(await edge.deliver()).status for _ in range(100)]
        refused = [status for each in await flood for status in each]
    assert set(good) == {200}
    assert sorted(set(refused)) == [403, 429]
    assert refused.count(403) == 3


async def test_only_wrong_signatures_are_counted() -> None:
    """A stale delivery, an unknown source or a garbled body uses nothing of the budget."""
    async with running_edge(limit_unverified="1/minute") as edge:
        stale = [(await edge.deliver(headers=signed(BODY, age_s=1000))).status for _ in range(3)]
        unknown = [(await edge.deliver(path="/webhooks/nobody")).status for _ in range(3)]
        assert (stale, unknown) == ([408] * 3, [404] * 3)
        assert await statuses(edge, 2) == [403, 429]


async def test_clients_behind_a_trusted_proxy_have_budgets_of_their_own() -> None:
    """What one client does behind the proxy is not counted for the other, nor for whom a stranger names."""
    async with running_edge(limit_unverified="1/minute", trusted_proxies="127.0.0.0/8") as edge:
        assert await statuses(edge, 2, **{"X-Forwarded-For": "203.0.113.1"}) == [403, 429]
        assert await statuses(edge, 2, **{"X-Forwarded-For": "203.0.113.2"}) == [403, 429]
    async with running_edge(limit_unverified="1/minute") as edge:
        assert await statuses(edge, 1, **{"X-Forwarded-For": "203.0.113.1"}) == [403]
        assert await statuses(edge, 1, **{"X-Forwarded-For": "203.0.113.2"}) == [429]


async def test_off_is_no_limit() -> None:
    """A limit that is off never answers 429."""
    async with running_edge(limit_unverified="off") as edge:
        assert set(await statuses(edge, 20)) == {403}


async def test_verified_deliveries_can_have_a_limit_per_source() -> None:
    """Where it is on, a source over its limit is told 429 and nothing is forwarded; by default there is none."""
    async with running_edge(limit_verified="2/minute") as edge:
        assert [(await edge.deliver()).status for _ in range(4)] == [200, 200, 429, 429]
        assert len(edge.ingest.deliveries) == 2
    async with running_edge() as edge:
        assert {(await edge.deliver()).status for _ in range(40)} == {200}


async def test_each_key_has_its_own_budget_and_is_told_when_there_is_more() -> None:
    """Over it, a fault carries the seconds until the window ends; another key is not touched."""
    limit = budget("2/minute", counter())
    assert [await limit.hit("a"), await limit.hit("a")] == [None, None]
    assert 0 < (await limit.hit("a") or 0) <= 60
    await limit.demand("b")
    with pytest.raises(Fault) as raised:
        await limit.demand("a")
    assert raised.value.reason == "RATE_LIMITED"
    assert 1 <= (raised.value.retry_after_s or 0) <= 60


class Hanging(MemoryStorage):
    """A storage that answers when it likes."""

    def __init__(self) -> None:
        """Be up."""
        super().__init__()
        self.hangs = False
        self.asked = 0

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, or hang."""
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(60)
        return await super().incr(key, expiry, amount)


async def test_a_storage_that_hangs_lets_everything_pass_and_is_seldom_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One request waits 50 ms for it, those after it not at all; when it is back, the limit is."""
    storage = Hanging()
    limit = budget("1/minute", counter(storage))
    assert await limit.hit("a") is None
    storage.hangs = True
    started = time.monotonic()
    assert [await limit.hit("a") for _ in range(20)] == [None] * 20
    assert time.monotonic() - started < 0.5
    assert storage.asked == 2
    storage.hangs = False
    monkeypatch.setattr(limits, "_PAUSE_S", 0)
    limit._counter._asked_again_at = 0
    assert await limit.hit("a") is not None


async def test_strangers_fill_no_memory() -> None:
    """Beyond a thousand addresses new ones share a budget; known ones and readers keep theirs."""
    storage = MemoryStorage()
    counted, item = counter(storage), rate_of("2/minute")
    assert item is not None
    limit, readers = Budget("tested", item, counted, of_strangers=True), Budget("reads", item, counted)
    await limit.hit("mine")
    for count in range(1_200):
        await limit.hit(f"stranger {count}")
    assert len(storage.storage) <= limits._KEYS_IN_MEMORY_MAX + 1
    assert await limit.hit("another") is not None
    assert await limit.hit("mine") is None
    assert [await readers.hit(f"key {count % 3}") for count in range(6)] == [None] * 6


async def test_who_is_over_a_limit_is_not_asked_for_again() -> None:
    """A flood from one address costs the storage as much as its budget, until the window ends."""
    storage = Hanging()
    limit = budget("3/minute", counter(storage))
    waits = [await limit.hit("a") for _ in range(200)]
    assert waits[:3] == [None] * 3
    assert storage.asked == 4
    assert await limit.hit("b") is None
    assert waits[-1] is not None


def test_who_was_over_a_limit_is_forgotten_with_its_window() -> None:
    """After the wait that was told it is asked for again; and no flood of keys fills memory."""
    over = Over()
    over.note("tested", "a", 60)
    over.note("tested", "b", 0)
    assert 59 < (over.wait_s("tested", "a") or 0) <= 60
    assert (over.wait_s("tested", "b"), over.wait_s("other", "a")) == (None, None)
    for count in range(limits._OVER_MAX + 5):
        over.note("tested", str(count), 60)
    assert len(over._until) <= limits._OVER_MAX


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"limit_unverified": "many"}, "EDGE_LIMIT_UNVERIFIED"),
        ({"limit_reads": "10"}, "EDGE_LIMIT_READS"),
        ({"limit_monitoring": "0x/minute"}, "EDGE_LIMIT_MONITORING"),
        ({"limit_verified": "10/fortnight"}, "EDGE_LIMIT_VERIFIED"),
        ({"trusted_proxies": "proxy"}, "EDGE_TRUSTED_PROXIES"),
    ],
)
def test_a_wrong_limit_is_a_wrong_setting(values: dict[str, Any], named: str) -> None:
    """It is refused at start by the name of its variable."""
    with pytest.raises(ValueError, match=named):
        EdgeSettings.load(**values)


@pytest.mark.parametrize("url", ["memcached://h", "http://h", "nonsense", "redis+cluster://h"])
def test_a_storage_that_is_none_is_refused(url: str) -> None:
    """The message names the variable and shows nothing of a URL, which may hold a password."""
    log = logs.configure("edge", "info", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(ValueError, match="EDGE_LIMIT_STORAGE") as raised:
        limits.build(EdgeSettings.load(limit_storage=url), CollectorRegistry(), log)
    assert url not in str(raised.value)


def test_the_defaults_are_the_ones_told() -> None:
    """Unverified 10, reads 30, monitoring 10 a minute; verified deliveries have none."""
    log = logs.configure("edge", "info", io.TextIOWrapper(io.BytesIO()))
    made = limits.build(EdgeSettings.load(), CollectorRegistry(), log)
    assert isinstance(made.verified, Unlimited)
    assert [str(each._item) for each in (made.unverified, made.reads, made.monitoring) if isinstance(each, Budget)] == [
        "10 per 1 minute",
        "30 per 1 minute",
        "10 per 1 minute",
    ]
