"""Every process is restarted, one replica after the other, under load: no error, nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from autopay_cli.embedded_mongo import EmbeddedMongo
from tests.envoys import Envoy, configuration, running_envoy, why_no_envoy
from tests.mesh_audit import auditing
from tests.mesh_traffic import Reply, Sender, new_tx_id, payment
from tests.patience import until
from tests.replicas import COUNT, PROCESSES, Replicas, running_replicas
from tests.servers import fresh_database

RATE = 300.0


class Load:
    """Signed payments at a steady rate, and what each was answered."""

    def __init__(self, sender: Sender) -> None:
        """Send through `sender`."""
        self._sender = sender
        self.sent: dict[str, bytes] = {}
        self.replies: dict[str, Reply] = {}
        self.unanswered = Counter[str]()

    @asynccontextmanager
    async def flowing(self, rate: float) -> AsyncIterator[None]:
        """Send while the context lasts, each at its time, whatever became of those before."""
        stop = asyncio.Event()

        async def send(tx_id: str) -> None:
            try:
                self.replies[tx_id] = await self._sender.send(self.sent[tx_id])
            except aiohttp.ClientError as error:
                self.unanswered[repr(error)] += 1

        async def send_on(tasks: asyncio.TaskGroup) -> None:
            due = time.monotonic()
            while not stop.is_set():
                tx_id = new_tx_id("roll")
                self.sent[tx_id] = payment(tx_id)
                tasks.create_task(send(tx_id))
                due += 1 / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send_on(tasks))
            try:
                yield
            finally:
                stop.set()

    def assert_whole(self, mongo_url: str) -> None:
        """Everything was accepted, and is stored once."""
        failed = Counter((reply.status, reply.fields.get("reason")) for reply in self.replies.values())
        assert set(failed) == {(200, None)}, failed
        assert not self.unanswered
        assert set(self.replies) == set(self.sent)
        with auditing(mongo_url) as audit:
            audit.assert_stored_once({tx_id: [body] for tx_id, body in self.sent.items()})


@pytest.fixture(scope="module")
def replicas(mongo_server: EmbeddedMongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two of each, over a database of their own."""
    if reason := why_no_envoy():
        pytest.skip(reason)
    with (
        fresh_database(mongo_server) as url,
        running_replicas(url, tmp_path_factory.mktemp("replicas")) as running,
    ):
        yield running


async def rolled(replicas: Replicas, name: str, envoy: Envoy) -> list[int | None]:
    """Restart a process's replicas, one after the other, and return their exit codes."""
    codes = []
    for number in range(COUNT):
        codes.append(await replicas.restart(name, number))
        # A successor is looked at for a moment before the next one goes, as a rollout does; and an edge only counts
        # once Envoy sends to it, which on a busy machine it may notice late.
        await asyncio.sleep(1.0)
        if name == "edge":
            await until(lambda: envoy.healthy() == COUNT)
    return codes


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_rollout_of_everything_fails_no_request(replicas: Replicas, tmp_path: Path) -> None:
    """All four processes roll at once, as `kubectl apply` does it, while webhooks come: each is answered 200, once."""
    config = configuration("gateway.yaml", backends=replicas.addresses["edge"], health=replicas.health["edge"])
    connector = aiohttp.TCPConnector(limit=0)
    with running_envoy(config, tmp_path) as envoy:
        async with aiohttp.ClientSession(connector=connector) as session:
            load = Load(Sender(session, f"http://{envoy.listener}"))
            async with load.flowing(RATE):
                await asyncio.sleep(1.0)
                codes = await asyncio.gather(*(rolled(replicas, name, envoy) for name in PROCESSES))
                await asyncio.sleep(1.0)
    assert codes == [[0] * COUNT] * len(PROCESSES)
    load.assert_whole(replicas.mongo_url)
