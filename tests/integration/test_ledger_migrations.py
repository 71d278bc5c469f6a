"""Migrations on a real MongoDB: once, by one replica, whatever starts, dies or stalls beside it."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from services.ledger.adapters import indexes, mongo
from services.ledger.adapters.migrations import COLLECTION, MigrationLease, Migrator, Step
from services.ledger.adapters.retention import Retention
from services.ledger.adapters.steps import steps

ROOT = Path(__file__).resolve().parents[2]
# Run as a process of its own, so that it can be killed: it migrates half of the documents and then stalls.
STALLING = """
import asyncio, sys
from services.ledger.adapters import mongo
from services.ledger.adapters.migrations import Migrator, Step

async def half(database):
    old = {"_id": {"$lt": 50}, "schema": 0}
    await database["old"].update_many(old, {"$set": {"schema": 1}, "$inc": {"changes": 1}})
    print("half", flush=True)
    await asyncio.sleep(600)

async def main(url):
    database = mongo.database_of(mongo.connect_patiently(url), url)
    await Migrator(database, [Step(name="raise-schema", run=half)], owner="stalls", lease_s=1.5).make_ready()

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
async def connect(mongo_url: str) -> AsyncIterator[Callable[[], Any]]:
    """Opens databases, each through a client of its own, as replicas do."""
    clients = []

    def open_database() -> Any:
        clients.append(mongo.connect_patiently(mongo_url))
        return mongo.database_of(clients[-1], mongo_url)

    yield open_database
    for client in clients:
        client.close()


async def raise_schema(database: Any) -> None:
    """A step that raises documents of schema 0, as idempotent as a step has to be, and notes each change."""
    await database["old"].update_many({"schema": 0}, {"$set": {"schema": 1}, "$inc": {"changes": 1}})


async def old_database(database: Any) -> None:
    """Documents as a version before this one left them."""
    await database["old"].insert_many([{"_id": number, "schema": 0} for number in range(100)])


async def assert_migrated(database: Any) -> None:
    """Every document was changed, and changed once."""
    assert await database["old"].count_documents({"schema": 1, "changes": 1}) == 100


async def done(database: Any) -> list[str]:
    """The steps that are done."""
    document = await database[COLLECTION].find_one({"_id": "migrations"})
    return list(document["done"])


async def test_replicas_that_start_at_once_on_an_old_database_change_it_once(connect: Callable[[], Any]) -> None:
    """Each waits until the required steps are done, in their order, and each step is run by one of them."""
    await old_database(connect())
    runs: list[tuple[str, str]] = []

    def step(owner: str, name: str) -> Step:
        async def run(database: Any) -> None:
            runs.append((name, owner))
            await asyncio.sleep(0.2)
            await raise_schema(database)

        return Step(name=name, run=run)

    def replica(owner: str) -> Migrator:
        return Migrator(connect(), [step(owner, "first"), step(owner, "second")], owner=owner, lease_s=2)

    await asyncio.gather(*(replica(f"replica-{number}").make_ready() for number in range(4)))
    database = connect()
    await assert_migrated(database)
    assert [name for name, _ in runs] == ["first", "second"]
    assert len({owner for _, owner in runs}) == 1
    assert await done(database) == ["first", "second"]


async def test_a_killed_migrator_is_succeeded_when_its_lease_has_run_out(
    connect: Callable[[], Any], mongo_url: str
) -> None:
    """What it left half done is finished by the next replica, which waits no longer than the lease."""
    database = connect()
    await old_database(database)
    stalling = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STALLING, mongo_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert stalling.stdout is not None
    try:
        assert await stalling.stdout.readline() == b"half\n"
        successor = Migrator(connect(), [Step(name="raise-schema", run=raise_schema)], owner="succeeds", lease_s=1.5)
        waiting = asyncio.create_task(successor.make_ready())
        # A stalled migrator that lives prolongs its lease.
        await asyncio.sleep(2.5)
        assert not waiting.done()
    finally:
        stalling.send_signal(signal.SIGKILL)
        await stalling.wait()
    killed_at = time.monotonic()
    await asyncio.wait_for(waiting, 10)
    assert time.monotonic() - killed_at < 4
    await assert_migrated(database)
    assert await done(database) == ["raise-schema"]


async def test_a_replica_that_lost_its_lease_stops_and_notes_nothing(connect: Callable[[], Any]) -> None:
    """A migrator that was away too long leaves the step to the one that took over."""
    database = connect()
    stopped = asyncio.Event()

    async def endless(_: Any) -> None:
        try:
            await asyncio.sleep(600)
        finally:
            stopped.set()

    slow = Migrator(database, [Step(name="step", run=endless)], owner="slow", lease_s=1)
    task = asyncio.create_task(slow.make_ready())
    await asyncio.sleep(0.1)
    # As if its renewals had not arrived: another replica holds the lease now.
    await database[COLLECTION].update_one({"_id": "migrations"}, {"$set": {"owner": "other"}})
    await asyncio.wait_for(stopped.wait(), 5)
    assert not await MigrationLease(database[COLLECTION], owner="slow", lease_s=1).note("step")
    await database[COLLECTION].update_one({"_id": "migrations"}, {"$set": {"owner": "other", "done": ["step"]}})
    await asyncio.wait_for(task, 5)


async def test_optional_steps_do_not_hold_up_readiness(connect: Callable[[], Any]) -> None:
    """A replica is ready when the required steps are done; the rest is made while it serves."""
    database = connect()
    may_go_on = asyncio.Event()

    async def patient(database: Any) -> None:
        await may_go_on.wait()
        await database["old"].insert_one({"_id": "made"})

    both = [Step(name="needed", run=raise_schema), Step(name="later", run=patient, required=False)]
    migrator = Migrator(database, both, owner="one", lease_s=1)
    await migrator.make_ready()
    assert await done(database) == ["needed"]
    behind = asyncio.create_task(migrator.finish())
    # Another replica is ready although the optional step is still being made.
    await asyncio.wait_for(Migrator(connect(), both, owner="two", lease_s=1).make_ready(), 2)
    may_go_on.set()
    await behind
    assert await done(database) == ["needed", "later"]


async def test_a_failing_step_is_neither_noted_nor_holds_the_lease(connect: Callable[[], Any]) -> None:
    """The next start tries it again at once."""
    database = connect()

    async def failing(_: Any) -> None:
        raise RuntimeError("a bug in a step")

    with pytest.raises(RuntimeError, match="a bug"):
        await Migrator(database, [Step(name="step", run=failing)], owner="one").make_ready()
    await asyncio.wait_for(Migrator(database, [Step(name="step", run=raise_schema)], owner="two").make_ready(), 2)
    assert await done(database) == ["step"]


async def test_the_ledgers_own_steps_end_right_however_many_replicas_start(connect: Callable[[], Any]) -> None:
    """Validators and indexes are there when any of them is ready, and an index dropped by hand comes back."""
    every = steps(retention=Retention(days=0))
    await asyncio.gather(*(Migrator(connect(), every, owner=f"r-{number}").make_ready() for number in range(3)))
    database = connect()
    assert not await indexes.missing(database)
    options = {each["name"]: each["options"] for each in await (await database.list_collections()).to_list(None)}
    assert all("$jsonSchema" in options[name]["validator"] for name in ("transactions", "deliveries"))
    await database["transactions"].drop_index("source")
    await Migrator(connect(), every, owner="again").make_ready()
    assert not await indexes.missing(database)


async def test_a_replica_of_the_version_before_does_not_put_its_validator_back(connect: Callable[[], Any]) -> None:
    """Restarted in the middle of a rollout it finds its own step done, and the new version's stays in place."""
    database = connect()
    every = steps(retention=Retention(days=0))
    await Migrator(database, every, owner="before").finish()
    expanded = {"$jsonSchema": {"bsonType": "object", "required": ["schema"]}}
    await database.command({"collMod": "transactions", "validator": expanded})
    await Migrator(database, every, owner="before, restarted").finish()
    (found,) = await (await database.list_collections(filter={"name": "transactions"})).to_list(None)
    assert found["options"]["validator"] == expanded
