"""A whole mesh on this machine: started together, watched, and stopped in the order that loses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from autopay_cli import meshfile, own_identity, readiness
from autopay_cli.credentials import Credentials
from autopay_cli.embedded_mongo import EmbeddedMongo
from autopay_cli.failure import Failure
from autopay_cli.meshfile import Mesh
from autopay_cli.plan import Places
from autopay_cli.processes import Child
from autopay_cli.supervision import how_it_ended

_START_S_MAX: Final = 60.0
_POLL_S: Final = 0.02


class LocalMesh:
    """The processes of a mesh, and its mongod where it is ours."""

    def __init__(
        self,
        services: Sequence[Child],
        *,
        places: Places,
        credentials: Credentials,
        mongo: EmbeddedMongo | None,
        mongo_url: str,
        data_directory: Path,
        certificates: Path | None = None,
    ) -> None:
        """Prepare to run `services`, given in the order in which they are stopped."""
        self._certificates = certificates
        self._services = services
        self._places = places
        self._credentials = credentials
        self._mongo = mongo
        self._mongo_url = mongo_url
        self._directory = data_directory

    @property
    def children(self) -> Sequence[Child]:
        """Every process, in the order in which they are stopped."""
        return (*self._services, *(self._mongo.children if self._mongo else ()))

    @property
    def owns_mongo(self) -> bool:
        """Whether MongoDB is this mesh's own."""
        return self._mongo is not None

    @property
    def pids(self) -> Mapping[str, Sequence[int]]:
        """Process name → its living process ids."""
        found = {child.name: list(child.pids) for child in self._services}
        members = self._mongo.children if self._mongo else ()
        return {**found, "mongod": [pid for member in members for pid in member.pids]}

    def launch(self) -> None:
        """Start everything at once; the services wait for MongoDB by themselves."""
        if self._mongo:
            self._mongo.launch()
        for child in reversed(self._services):
            child.start()

    async def await_ready(self) -> None:
        """Wait until every process says that it is ready.

        Raises:
            Failure: one can't start, or not in time.
        """
        places = self._places
        credentials = own_identity.credentials_of(self._certificates) if self._certificates else None
        checks: dict[str, Callable[[], Awaitable[bool]]] = {
            "edge": lambda: readiness.edge_is_ready(places.edge_admin),
            "ingest": lambda: readiness.grpc_serves(places.ingest, credentials),
            "insight": lambda: readiness.grpc_serves(places.insight, credentials),
            "ledger": lambda: readiness.grpc_serves(places.ledger, credentials),
        }
        tasks = {name: asyncio.create_task(readiness.until(check)) for name, check in checks.items()}
        if self._mongo:
            tasks["mongod"] = asyncio.create_task(asyncio.to_thread(self._mongo.await_primary))
        try:
            await self._await_all(tasks)
        finally:
            for task in tasks.values():
                task.cancel()

    async def _await_all(self, tasks: Mapping[str, asyncio.Task[None]]) -> None:
        deadline = time.monotonic() + _START_S_MAX
        while any(not task.done() for task in tasks.values()):
            for task in tasks.values():
                if task.done():
                    task.result()
            for child in self._services:
                if not child.alive:
                    raise Failure(
                        f"{child.name} {how_it_ended(child.exit_code)} while starting: {child.last_words()} "
                        f"(the whole log: {child.log})"
                    )
            if time.monotonic() > deadline:
                late = ", ".join(name for name, task in tasks.items() if not task.done())
                raise Failure(f"not ready after {_START_S_MAX:g} s: {late}. See the logs in {self.logs}.")
            await asyncio.sleep(_POLL_S)
        for task in tasks.values():
            task.result()

    @property
    def logs(self) -> Path:
        """The directory of the logs."""
        return self._services[0].log.parent

    @property
    def mesh(self) -> Mesh:
        """Where it is and how to talk to it, as it is now."""
        return Mesh(
            edge=f"http://{self._places.edge}",
            ingest=self._places.ingest,
            ledger=self._places.ledger,
            insight=self._places.insight,
            mongo=self._mongo_url,
            pids=self.pids,
            hmac_secret=self._credentials.hmac_secret,
            api_key=self._credentials.api_key,
            monitoring_key=self._credentials.monitoring_key,
            certificates=str(self._certificates.absolute()) if self._certificates else "",
        )

    def publish(self) -> None:
        """Write mesh.json as things are now."""
        meshfile.write(self.mesh, self._directory)

    async def drain(self, *, grace_s: float) -> Sequence[str]:
        """Stop one process after the other, each within `grace_s`, and return what had to be killed."""
        killed = []
        for child in self._services:
            if child.alive and not await asyncio.to_thread(child.stop, grace_s=grace_s):
                killed.append(child.name)
            child.kill()
        if self._mongo:
            await asyncio.to_thread(self._mongo.stop)
        return killed

    def kill(self) -> None:
        """End everything at once."""
        for child in self.children:
            child.kill()
