"""Insight's ports over every implementation: in memory, and on a real MongoDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import bson
import pytest

from services.insight.adapters.mongo import connect, database_of
from services.insight.adapters.mongo_lease import MongoLease
from services.insight.adapters.mongo_profiles import MongoProfiles
from services.insight.memory import EMPTY, learn, mark_of
from services.insight.model import Position
from services.insight.ports import Lease, ProfileStore, StoreDown
from services.insight.profile import ProfileState
from services.insight.scoring import account_key
from tests.fakes.insight_memory import Disk, MemoryLease, MemoryProfiles


def a_state(sequence: int, *, payments: int = 3, judged: int = 0) -> ProfileState:
    """A profile after some payments."""
    sends = EMPTY
    for number in range(payments):
        sends = learn(sends, 1_700_000_000.0 + number * 1_000_000, 3.7 + number / 3)
    return ProfileState(sequence=sequence, judged=judged, sends=sends)


class Ports:
    """One implementation's store, and leases by owner."""

    def __init__(self, store: ProfileStore, lease: Callable[..., Lease]) -> None:
        """Hold them."""
        self.store = store
        self.lease = lease


@pytest.fixture
async def mongo_database(mongo_url: str) -> AsyncIterator[Any]:
    """A fresh database."""
    client = connect(mongo_url, pool_min=0, pool_max=4)
    yield database_of(client, mongo_url)
    client.close()


@pytest.fixture(params=["memory", "mongo"])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    """Each implementation in turn."""
    if request.param == "memory":
        disk = Disk()
        yield Ports(MemoryProfiles(disk), lambda owner: MemoryLease(disk, owner))
        return
    url = request.getfixturevalue("mongo_url")
    client = connect(url, pool_min=0, pool_max=4)
    database = database_of(client, url)
    yield Ports(MongoProfiles(database), lambda owner: MongoLease(database, owner=owner, lease_s=15))
    client.close()


async def test_a_profile_comes_back_to_the_last_bit(ports: Ports) -> None:
    """What was saved is loaded equal; what was not is left out."""
    saved = [(f"s:autopay:{number}", a_state(2**40 + number, payments=number)) for number in range(1, 300)]
    await ports.store.save(saved)
    found = await ports.store.load([*(key for key, _ in saved), "s:autopay:nobody"])
    assert found == dict(saved)


async def test_all_profiles_are_read_page_by_page(ports: Ports) -> None:
    """Pages behind the last key come in the order of keys, each profile once, and end."""
    saved = {f"s:autopay:{number:03}": a_state(number, payments=2) for number in range(1, 12)}
    await ports.store.save(list(saved.items()))
    found: list[tuple[str, ProfileState]] = []
    sizes = []
    while page := await ports.store.page(found[-1][0] if found else "", count=5):
        found += page
        sizes.append(len(page))
    assert sizes == [5, 5, 1]
    assert found == sorted(saved.items())


async def test_a_profile_only_goes_forwards(ports: Ports) -> None:
    """A copy with fewer changes in it never replaces one with more, and holds up none of its neighbours."""
    await ports.store.save([("a", a_state(10)), ("b", a_state(10))])
    await ports.store.save([("a", a_state(9, payments=1)), ("b", a_state(11, payments=5)), ("c", a_state(1))])
    found = await ports.store.load(["a", "b", "c"])
    assert {key: state.sequence for key, state in found.items()} == {"a": 10, "b": 11, "c": 1}
    assert found["a"] == a_state(10)


async def test_what_was_thought_new_is_replaced_only_forwards_too(ports: Ports) -> None:
    """A profile that another replica stored meanwhile is met by the one that was taken for new, under the same rule."""
    await ports.store.save([("a", a_state(10)), ("b", a_state(10))])
    taken_for_new = [
        (key, replace(a_state(sequence), stored=False)) for key, sequence in (("a", 9), ("b", 11), ("c", 1))
    ]
    await ports.store.save(taken_for_new)
    found = await ports.store.load(["a", "b", "c"])
    assert {key: state.sequence for key, state in found.items()} == {"a": 10, "b": 11, "c": 1}


async def test_a_verdict_alone_goes_forwards(ports: Ports) -> None:
    """A profile whose payments are the same is saved with more verdicts, and neither ordinal ever goes back."""
    await ports.store.save([("a", a_state(10)), ("b", a_state(10, judged=5))])
    await ports.store.save([("a", a_state(10, judged=1)), ("b", a_state(11, judged=4))])
    found = await ports.store.load(["a", "b"])
    assert (found["a"].judged, found["b"].judged, found["b"].sequence) == (1, 5, 10)


async def test_an_account_takes_less_than_a_kibibyte(mongo_database: Any) -> None:
    """The longest account with both sides full is at most 1,024 bytes of BSON."""
    full = EMPTY
    for number in range(5_000):
        full = learn(full, 1_700_000_000.0 + number, 3.0, mark_of(number * 2_654_435_761 % 2**32))
    state = ProfileState(sequence=2**60, judged=2**60, sends=full, receives=full)
    key = account_key("s" * 40, "a" * 50)
    await MongoProfiles(mongo_database).save([(key, state)])
    stored = await mongo_database["profiles"].find_one({"_id": key})
    assert 600 < len(bson.encode(stored)) <= 1_024


async def test_a_profile_of_an_earlier_layout_is_replaced(mongo_database: Any) -> None:
    """What an earlier version stored isn't read, and gives way to what is learnt now."""
    await mongo_database["profiles"].insert_one({"_id": "a", "sequence": 3, "sums": [0.0] * 15})
    store = MongoProfiles(mongo_database)
    assert await store.load(["a"]) == {}
    await store.save([("a", a_state(4))])
    assert await store.load(["a"]) == {"a": a_state(4)}


async def test_saving_again_changes_nothing(ports: Ports) -> None:
    """A save whose outcome was unknown is repeated without harm."""
    for _ in range(2):
        await ports.store.save([("a", a_state(3))])
    assert await ports.store.load(["a"]) == {"a": a_state(3)}


async def test_one_holds_the_lease(ports: Ports) -> None:
    """The first to ask holds it, may prolong it, and another gets it with its position once it is given back."""
    first, second = ports.lease("first"), ports.lease("second")
    assert await first.acquire() == Position(token="", sequence=0)
    assert await second.acquire() is None
    assert await first.advance(Position(token="t1", sequence=2**41))
    assert not await second.advance(Position(token="stolen", sequence=1))
    assert await first.acquire() == Position(token="t1", sequence=2**41)
    await second.release()
    assert await second.acquire() is None
    await first.release()
    assert await second.acquire() == Position(token="t1", sequence=2**41)
    assert not await first.advance(Position(token="late", sequence=3))


async def test_a_lease_ends_by_the_server_s_clock(mongo_database: Any) -> None:
    """A holder who falls silent loses it after its time, and of many who ask at once one gets it."""
    silent = MongoLease(mongo_database, owner="silent", lease_s=0.3)
    assert await silent.acquire() is not None
    others = [MongoLease(mongo_database, owner=f"other-{number}", lease_s=15) for number in range(5)]
    assert [await lease.acquire() for lease in others] == [None] * 5
    await asyncio.sleep(0.35)
    assert sum(answer is not None for answer in await asyncio.gather(*(lease.acquire() for lease in others))) == 1
    assert await silent.acquire() is None
    assert not await silent.advance(Position(token="late", sequence=1))


async def test_the_first_who_ask_at_once_do_not_fail(mongo_database: Any) -> None:
    """Replicas that start together on an empty database agree on one holder."""
    leases = [MongoLease(mongo_database, owner=f"replica-{number}", lease_s=15) for number in range(8)]
    answers = await asyncio.gather(*(lease.acquire() for lease in leases))
    assert sum(answer is not None for answer in answers) == 1


async def test_writes_are_durable_whatever_the_url_says(mongo_url: str) -> None:
    """A URL that asks for w=0 and no journal changes nothing."""
    separator = "&" if "?" in mongo_url else "?"
    client = connect(f"{mongo_url}{separator}w=0&journal=false", pool_min=0, pool_max=2)
    database = database_of(client, mongo_url)
    assert database.write_concern.document == {"w": "majority", "j": True, "wtimeout": 5_000}
    await MongoProfiles(database).save([("a", a_state(1))])
    assert await MongoProfiles(database).load(["a"]) == {"a": a_state(1)}
    client.close()


async def test_a_store_that_is_not_there_says_so() -> None:
    """Every operation tells that the store is down, within seconds, instead of an error of the driver."""
    client = connect("mongodb://127.0.0.1:1/autopay", pool_min=0, pool_max=2)
    database = database_of(client, "mongodb://127.0.0.1:1/autopay")
    lease = MongoLease(database, owner="me", lease_s=15)
    acts: list[Awaitable[object]] = [
        MongoProfiles(database).load(["a"]),
        MongoProfiles(database).save([("a", a_state(1))]),
        lease.acquire(),
        lease.advance(Position(token="t", sequence=1)),
        lease.release(),
    ]
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    assert all(isinstance(outcome, StoreDown) for outcome in outcomes)
    client.close()


def test_a_wrong_url_is_one_line() -> None:
    """A URL that is none names the setting."""
    with pytest.raises(ValueError, match="MONGO_URL is not a MongoDB URL"):
        connect("postgres://127.0.0.1/autopay", pool_min=0, pool_max=2)
