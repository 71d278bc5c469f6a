"""What faults are injected into: a real mesh over a real replica set, with everything around it that can break."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pymongo import MongoClient

from autopay_cli.addresses import free_ports
from autopay_cli.embedded_mongo import EmbeddedMongo
from autopay_cli.processes import Child
from autopay_cli.supervision import Supervisor
from tests.chaos.clock import Clock
from tests.chaos.link import Link
from tests.chaos.traffic import Traffic, until
from tests.mesh_processes import NAMES, RunningMesh
from tests.mesh_traffic import new_tx_id, payment, sending_to
from tests.redis_server import Redis, running_redis, why_no_redis
from tests.servers import fresh_database

_EDGE_WORKERS: Final = 2
_SETTINGS: Final = {
    "EDGE_WORKERS": str(_EDGE_WORKERS),
    # High, but on: every webhook asks where limits are counted.
    "EDGE_LIMIT_VERIFIED": "1000000/minute",
    # A killed learner's lease ends, and what it learnt is saved, within a scenario.
    "INSIGHT_FLUSH_S": "0.5",
    "INSIGHT_LEASE_S": "2",
    "AUTOPAY_LOG_LEVEL": "warning",
}
_START_S_MAX: Final = 60.0
_DISK_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rig:
    """What a scenario needs; scenarios with the same needs share one.

    Attributes:
        members: of the replica set.
        linked: whether edge and ingest reach the next process through a `Link`.
        steered: whether the edge goes by a `Clock`.
        ledgers: how many replicas of the ledger there are.
        small_disk: whether MongoDB's data is on a small disk of its own.
    """

    members: int = 3
    linked: bool = False
    steered: bool = False
    ledgers: int = 1
    small_disk: bool = False


@dataclass(slots=True, kw_only=True)
class World:
    """A running rig.

    Attributes:
        mesh: the four processes, supervised as `autopay up` does.
        mongo: the replica set.
        redis: where limits are counted, None where there is no redis-server.
        links: by name, `edge-ingest` and `ingest-ledger`, on a linked rig.
        clock: the edge's, on a steered rig.
        second_ledger: the other replica, where there is one.
        disk: the small disk, where there is one.
        traffic: what flows while a fault is injected.
        healed_s: from when recovery counts, by the monotonic clock.
    """

    mesh: RunningMesh
    mongo: EmbeddedMongo
    redis: Redis | None = None
    links: Mapping[str, Link] = field(default_factory=dict)
    clock: Clock | None = None
    second_ledger: Child | None = None
    disk: Path | None = None
    _traffic: Traffic | None = None
    healed_s: float = 0.0

    @property
    def traffic(self) -> Traffic:
        """What flows now."""
        assert self._traffic is not None, "no scenario runs"
        return self._traffic

    def begin(self, traffic: Traffic) -> None:
        """Begin a scenario with this traffic."""
        self._traffic = traffic
        self.healed_s = 0.0

    def recovery_counts(self) -> None:
        """Say that from now on the mesh is expected to come back by itself; the last time this is said counts."""
        self.healed_s = time.monotonic()

    async def recovered(self, *, within_s: float) -> bool:
        """Wait for a 2xx to what was sent since `recovery_counts`; return whether it came."""
        return await until(lambda: self.traffic.history.first_accepted_s(self.healed_s) is not None, within_s=within_s)

    async def whole(self) -> None:
        """Wait until every process is healthy and the set has a primary."""
        await asyncio.to_thread(self.mongo.await_primary, timeout_s=_START_S_MAX)
        await asyncio.to_thread(self.mesh.await_healthy)


@asynccontextmanager
async def running(rig: Rig, mongo: EmbeddedMongo, directory: Path, *, disk: Path | None = None) -> AsyncIterator[World]:
    """Run a rig on a replica set while the context lasts, in a database of its own."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(fresh_database(mongo)) if disk is None else mongo.url
        redis = None if why_no_redis() else stack.enter_context(running_redis(directory))
        world = _made(rig, mongo, url, directory, redis)
        world.disk = disk
        stack.callback(world.mesh.terminate_all)
        for link in world.links.values():
            await link.start()
            stack.push_async_callback(link.close)
        for name in NAMES:
            environment = world.clock.environment if world.clock is not None and name == "edge" else None
            world.mesh.launch(name, environment)
        children = list(world.mesh.children)
        if world.second_ledger is not None:
            world.second_ledger.start()
            stack.callback(world.second_ledger.kill)
            children.append(world.second_ledger)
        await asyncio.to_thread(world.mesh.await_healthy)
        await _learning(world)
        supervisor = Supervisor(children, say=lambda _: None, changed=lambda: None)
        watching = asyncio.create_task(supervisor.watch())
        try:
            yield world
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """Yield a directory on a disk of its own that is soon full, in memory (needs root)."""
    directory.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=0700", "tmpfs", str(directory)],  # noqa: S607
        check=True,
        capture_output=True,
    )
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=False)  # noqa: S607


def why_no_small_disk() -> str:
    """Why no small disk can be made here, "" where one can."""
    try:
        with tempfile.TemporaryDirectory() as scratch, small_disk(Path(scratch) / "disk"):
            return ""
    except (OSError, subprocess.CalledProcessError) as error:
        return f"a small disk can't be mounted here ({type(error).__name__}); it needs root"


def _made(rig: Rig, mongo: EmbeddedMongo, url: str, directory: Path, redis: Redis | None) -> World:
    environment = dict(_SETTINGS)
    if redis is not None:
        environment["EDGE_LIMIT_STORAGE"] = redis.url
    near, far, other = free_ports(3)
    if rig.linked:
        environment["EDGE_INGEST_TARGET"] = f"127.0.0.1:{near}"
        environment["INGEST_LEDGER_TARGET"] = f"127.0.0.1:{far}"
    mesh = RunningMesh(url, directory, environment)
    second = None
    if rig.ledgers > 1:
        both = f"ipv4:{mesh.addresses['ledger']},127.0.0.1:{other}"
        # The target of both is known only once the mesh has chosen its addresses.
        mesh.environment["INGEST_LEDGER_TARGET"] = both
        command = [sys.executable, "-m", "services.ledger"]
        log = directory / "ledger-2.log"
        second = Child(
            "ledger-2", command, log=log, environment={**mesh.environment, "LEDGER_BIND": f"127.0.0.1:{other}"}
        )
    links = {
        "edge-ingest": Link(near, mesh.addresses["ingest"]),
        "ingest-ledger": Link(far, mesh.addresses["ledger"]),
    }
    return World(
        mesh=mesh,
        mongo=mongo,
        redis=redis,
        links=links if rig.linked else {},
        clock=Clock(directory / "clock") if rig.steered else None,
        second_ledger=second,
    )


async def _learning(world: World) -> None:
    """Send payments until insight has learnt one: what is recorded before it follows the feed teaches nothing."""
    deadline = time.monotonic() + _START_S_MAX
    async with sending_to(world.mesh) as sender:
        with MongoClient[dict[str, object]](world.mesh.mongo_url, serverSelectionTimeoutMS=5_000) as client:
            profiles = client.get_default_database()["profiles"]
            while await asyncio.to_thread(profiles.find_one, {"_id": "a:autopay:warm"}) is None:
                await sender.send(payment(new_tx_id("warm"), sender="warm", receiver_account="warm-too"))
                assert time.monotonic() < deadline, "insight does not learn"
                await asyncio.sleep(0.2)
