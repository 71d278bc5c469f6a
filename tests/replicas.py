"""Two replicas of every process on loopback, each a child that can be asked to end, killed and started again."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from autopay_cli.addresses import free_ports
from autopay_cli.processes import Child
from mesh.settings import environment_without
from tests.mesh_processes import SECRET, _edge_is_ready, _grpc_serves

COUNT: Final = 2
# A process and which of its replicas.
Slot = tuple[str, int]
# In the order of a start.
PROCESSES: Final = ("ledger", "insight", "ingest", "edge")
_START_S_MAX: Final = 60.0
_STOP_S_MAX: Final = 30.0
_FOREIGN: Final = ("OTEL_", "AUTOPAY_", "EDGE_", "INGEST_", "LEDGER_", "INSIGHT_", "MONGO_", "HMAC_", "GEMINI_")


class Replicas:
    """The replicas by process and number; clients see all of a process, as behind a headless name."""

    def __init__(
        self,
        mongo_url: str,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        homes: Mapping[Slot, Path] | None = None,
    ) -> None:
        """Prepare them over a MongoDB.

        Args:
            mongo_url: where to store.
            directory: for their output.
            environment: what all of them also see.
            homes: the checkout that a replica runs from, where it isn't this one.
        """
        ports = iter(free_ports(COUNT * (2 * len(PROCESSES))))
        self.addresses = {name: [f"127.0.0.1:{next(ports)}" for _ in range(COUNT)] for name in PROCESSES}
        self.health = {name: [f"127.0.0.1:{next(ports)}" for _ in range(COUNT)] for name in PROCESSES}
        self.mongo_url = mongo_url
        self.over: dict[str, str] = dict(environment or {})
        self._directory = directory
        self._homes = homes or {}
        self._children: dict[tuple[str, int], Child] = {}

    def target(self, name: str) -> str:
        """A gRPC target of every replica; under TLS of the first, since a certificate is checked against one name."""
        if f"{name.upper()}_TLS_CERT" in self.over:
            return self.addresses[name][0]
        return "ipv4:" + ",".join(self.addresses[name])

    def launch(self, name: str, number: int) -> None:
        """Start a replica and return at once."""
        if (name, number) in self._children:
            self._children[name, number].kill()
        home = self._homes.get((name, number))
        child = Child(
            name,
            [sys.executable, "-m", "edge" if name == "edge" else f"services.{name}"],
            log=self._directory / f"{name}-{number}.log",
            environment={
                **self._environment(name, number),
                **(running_from(home) if home else {}),
                **self.over,
            },
        )
        child.start()
        self._children[name, number] = child

    def await_ready(self, name: str, number: int) -> None:
        """Wait until a replica says that it may be used."""
        deadline = time.monotonic() + _START_S_MAX
        asked, child = self.health[name][number], self._children[name, number]
        while not (_edge_is_ready(asked) if name == "edge" else _grpc_serves(asked)):
            assert child.alive, f"{name} ended with {child.exit_code}: {child.last_words()}"
            assert time.monotonic() < deadline, f"{name} is not ready: {child.last_words()}"
            time.sleep(0.05)

    def is_ready(self, name: str, number: int) -> bool:
        """Whether a replica says now that it may be used."""
        asked = self.health[name][number]
        return _edge_is_ready(asked) if name == "edge" else _grpc_serves(asked)

    def is_alive(self, name: str, number: int) -> bool:
        """Whether a replica runs."""
        return self._children[name, number].alive

    def kill(self, name: str, number: int) -> None:
        """End a replica at once."""
        self._children[name, number].kill()

    async def restart(self, name: str, number: int) -> int | None:
        """Ask a replica to end as Kubernetes does, start its successor and wait for it; return the exit code."""
        child = self._children[name, number]
        child.signal(signal.SIGTERM)
        await asyncio.to_thread(child.wait, timeout_s=_STOP_S_MAX)
        code = child.exit_code
        self.launch(name, number)
        await asyncio.to_thread(self.await_ready, name, number)
        return code

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        for name in PROCESSES:
            for number in range(COUNT):
                self.launch(name, number)
        for name in PROCESSES:
            for number in range(COUNT):
                self.await_ready(name, number)

    def terminate_all(self) -> None:
        """End every replica."""
        for child in reversed(self._children.values()):
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S_MAX
        for child in self._children.values():
            child.wait(timeout_s=max(0.0, deadline - time.monotonic()))
            child.kill()

    def _environment(self, name: str, number: int) -> Mapping[str, str]:
        prefix, own = name.upper(), self.addresses[name][number]
        health = "EDGE_ADMIN_BIND" if name == "edge" else f"{prefix}_HEALTH_BIND"
        return {
            **environment_without(*_FOREIGN),
            f"{prefix}_BIND": own,
            health: self.health[name][number],
            "MONGO_URL": self.mongo_url,
            "HMAC_SECRET_KEY": SECRET,
            "EDGE_INGEST_TARGET": self.target("ingest"),
            "EDGE_LEDGER_TARGET": self.target("ledger"),
            "EDGE_INSIGHT_TARGET": self.target("insight"),
            "INGEST_LEDGER_TARGET": self.target("ledger"),
            "INGEST_INSIGHT_TARGET": self.target("insight"),
            "INSIGHT_LEDGER_TARGET": self.target("ledger"),
            "AUTOPAY_DRAIN_NOTICE_S": "1.0",
        }


def running_from(home: Path) -> Mapping[str, str]:
    """The variables that make Python take our code from another checkout."""
    return {"PYTHONPATH": f"{home}:{home}/protos/gen", "PYTHONSAFEPATH": "1"}


@contextmanager
def running_replicas(
    mongo_url: str,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    *,
    homes: Mapping[Slot, Path] | None = None,
) -> Iterator[Replicas]:
    """Run them while the context lasts."""
    replicas = Replicas(mongo_url, directory, environment, homes=homes)
    try:
        replicas.start()
        yield replicas
    finally:
        replicas.terminate_all()
