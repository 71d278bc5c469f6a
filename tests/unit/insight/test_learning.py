"""Learning: every payment once, whatever happens in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest

from services.insight.model import Page, Payment
from tests.fakes.insight_memory import Disk, Killed, ScriptedFeed
from tests.insight_replica import Replica, learn_all, until
from tests.insight_teaching import memories_of, taught

START_MS = 1_700_000_000_000


def traffic(count: int, *, seed: int = 7) -> list[Payment | None]:
    """Changes of few senders, so that profiles are touched often; some are no new payments."""
    rng = random.Random(seed)
    return [
        Payment(
            source=rng.choice(["autopay", "partner"]),
            tx_id=f"T-{number}",
            receiver=rng.choice(["", "A", "R", "S"]),
            sender=rng.choice(["", "A", "B", "C", "D", "E"]),
            minor_units=rng.randint(1, 10**7),
            currency=rng.choice(["USD", "JPY"]),
            at_ms=START_MS + number * 40_000_000 - rng.randint(0, 90_000),
        )
        if rng.random() < 0.7
        else None
        for number in range(count)
    ]


async def test_each_new_payment_is_learnt_once() -> None:
    """After the feed the stored sums are those of each new payment learnt once; other changes teach nothing."""
    disk, changes = Disk(), traffic(120)
    await learn_all(disk, changes)
    assert memories_of(disk.profiles) == taught(changes)
    assert disk.position.token == "120"
    assert disk.owner == ""


async def test_going_on_where_the_last_one_stopped() -> None:
    """A replica that follows another learns what came after it, and nothing again."""
    disk, changes = Disk(), traffic(100)
    await learn_all(disk, changes[:60])
    await learn_all(disk, changes, page_changes=7)
    assert memories_of(disk.profiles) == taught(changes)


@pytest.mark.parametrize("offset", range(10))
async def test_killed_at_any_write_nothing_is_learnt_twice(offset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed again and again before its n-th write, in the middle of a save too, the end is that of a clean run."""
    # The supervision that survives bugs would wait seconds after each kill.
    monkeypatch.setattr("services.insight.learning._PAUSE_AFTER_BUG_S", 60.0)
    disk, changes = Disk(), traffic(60)
    # The first token must be stored: without one, what is read before it is not read again (see the next test).
    await learn_all(disk, changes[:3])
    rng, kills = random.Random(offset), 0
    while disk.position.token != "60":
        disk.killed_at = disk.steps + offset + 1
        disk.owner = ""
        replica = Replica(disk, ScriptedFeed(changes, page_changes=rng.randint(1, 9)), dirty_max=rng.randint(1, 9))
        replica.start()
        with suppress(TimeoutError):
            await until(lambda: disk.steps == disk.killed_at or disk.position.token == "60", within_s=1.0)
        await replica.kill()
        kills += disk.steps == disk.killed_at
    assert kills > 2
    disk.killed_at, disk.owner = None, ""
    await learn_all(disk, changes)
    assert disk.position.token == "60"
    assert memories_of(disk.profiles) == taught(changes)


async def test_killed_before_the_first_token_nothing_new_is_skipped() -> None:
    """A process that ended before it had stored a token leaves profiles that must not pass for knowing what comes."""
    disk, changes = Disk(), traffic(40)
    disk.killed_at = 19
    replica = Replica(disk, ScriptedFeed(changes[:20], page_changes=20))
    replica.start()
    await until(lambda: disk.steps == 19)
    await replica.kill()
    assert disk.profiles
    assert disk.position.token == ""
    disk.killed_at, disk.owner = None, ""
    expected = taught(changes[20:], known=disk.profiles)
    # The feed that begins now tells only what comes now.
    await learn_all(disk, changes[20:])
    assert memories_of(disk.profiles) == expected


async def test_a_token_too_old_starts_from_now() -> None:
    """Where the feed can't be resumed, learning goes on from now, and no payment counts as known by mistake."""
    disk, changes = Disk(), traffic(60)
    await learn_all(disk, changes[:20])
    feed = ScriptedFeed(changes, oldest=40)
    replica = Replica(disk, feed)
    replica.start()
    await feed.told_all.wait()
    await replica.drain()
    assert feed.begun == ["20", ""]
    assert memories_of(disk.profiles) == taught([*changes[:20], *changes[40:]])


async def test_a_store_that_is_down_for_a_while_loses_nothing() -> None:
    """While the store is down memory stays bounded and reading waits; afterwards everything is saved once."""
    disk, changes = Disk(), traffic(200)
    replica = Replica(disk, ScriptedFeed(changes), dirty_max=3)
    replica.start()
    await until(lambda: disk.steps > 10)
    disk.down = True
    await asyncio.sleep(0.1)
    assert not replica.feed.told_all.is_set()
    assert len(replica.profiles.dirty) < 12
    disk.down = False
    await replica.feed.told_all.wait()
    await replica.drain()
    assert memories_of(disk.profiles) == taught(changes)


async def test_only_the_holder_of_the_lease_learns() -> None:
    """A second replica waits and reads; when the first drains, it goes on within moments."""
    disk, changes = Disk(), traffic(90)
    first = Replica(disk, ScriptedFeed(changes[:50]))
    first.start()
    await first.feed.told_all.wait()
    second = Replica(disk, ScriptedFeed(changes))
    second.start()
    await asyncio.sleep(0.1)
    assert second.watcher.changes == 0
    assert first.watcher.holds
    await first.drain()
    await second.feed.told_all.wait()
    assert second.watcher.holds
    await second.drain()
    assert memories_of(disk.profiles) == taught(changes)


async def test_a_replica_that_lost_the_lease_saves_nothing() -> None:
    """Where another replica took over, the old one drops what it had learnt and both end with a clean run's sums."""
    disk, changes = Disk(), traffic(80)
    await learn_all(disk, changes[:10])
    first = Replica(disk, ScriptedFeed(changes), flush_s=0.05, dirty_max=10_000)
    first.start()
    await first.feed.told_all.wait()
    disk.owner = "another"
    await until(lambda: not first.watcher.holds)
    assert not first.profiles.dirty
    await first.drain()
    disk.owner = ""
    await learn_all(disk, changes)
    assert memories_of(disk.profiles) == taught(changes)


async def test_an_idle_feed_still_moves_the_position() -> None:
    """Heartbeats bring newer tokens, which are stored though nothing was learnt."""
    disk = Disk()
    await learn_all(disk, [None] * 4)
    assert disk.position.token == "4"
    assert disk.profiles == {}


async def test_a_bug_in_a_change_does_not_end_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error is logged, and learning begins again from the stored position."""
    monkeypatch.setattr("services.insight.learning._PAUSE_AFTER_BUG_S", 0.01)
    disk, changes = Disk(), traffic(30)
    feed = ScriptedFeed(changes)
    replica = Replica(disk, feed)
    original = feed.follow
    failures = iter([Killed("a bug"), None])

    def sometimes(token: str) -> object:
        if error := next(failures, None):
            raise error
        return original(token)

    monkeypatch.setattr(feed, "follow", sometimes)
    replica.start()
    async with asyncio.timeout(5):
        await feed.told_all.wait()
    await replica.drain()
    assert memories_of(disk.profiles) == taught(changes)


class FailingAtTheEnd(ScriptedFeed):
    """Fails in the moment it is told to end, as a call whose connection breaks just then."""

    async def follow(self, token: str) -> AsyncGenerator[Page, None]:
        """Say nothing until it is cancelled."""
        self.begun.append(token)
        self.told_all.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("broken") from None
        yield Page(changes=0, payments=(), token=token)


async def test_a_failure_in_the_moment_of_the_end_does_not_prevent_it() -> None:
    """Told to end once, a learner ends, whatever else happens meanwhile; otherwise it would go on for ever."""
    replica = Replica(Disk(), FailingAtTheEnd([]))
    replica.start()
    async with asyncio.timeout(5):
        await replica.feed.told_all.wait()
    assert replica.task is not None
    replica.task.cancel()
    done, _ = await asyncio.wait({replica.task}, timeout=3)
    await replica.kill()
    assert done
    assert len(replica.feed.begun) == 1
