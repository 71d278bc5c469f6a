"""The whole mesh as real child processes over a given MongoDB, to send to, freeze, kill and start again."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from autopay_cli.addresses import free_ports
from autopay_cli.processes import Child
from mesh.settings import environment_without

SECRET: Final = "the-secret-of-the-mesh-under-test-0123456789"
API_KEY: Final = "tests.0123456789abcdefghijkl"
# In the order in which they are started; they end in the opposite one.
NAMES: Final = ("ledger", "insight", "ingest", "edge")
_MODULES: Final = {
    "ledger": "services.ledger",
    "insight": "services.insight",
    "ingest": "services.ingest",
    "edge": "edge",
}
# What this shell has set for a mesh of its own must not reach the one under test.
_FOREIGN: Final = (
    "OTEL_",
    "AUTOPAY_",
    "EDGE_",
    "INGEST_",
    "LEDGER_",
    "INSIGHT_",
    "MONGO_",
    "HMAC_",
    "GEMINI_",
    "GOOGLE_",
)
# Far more than a start takes, on a machine that does other things too.
_START_S_MAX: Final = 40.0
_STOP_S_MAX: Final = 15.0
_POLL_S: Final = 0.05


class RunningMesh:
    """Ledger, insight, ingest and edge on free loopback ports, each a child process with its output in a file."""

    def __init__(self, mongo_url: str, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        """Prepare processes that store in `mongo_url`, log under `directory` and also see `environment`."""
        ports = iter(free_ports(len(NAMES) + 1))
        self.mongo_url = mongo_url
        self.addresses = {name: f"127.0.0.1:{next(ports)}" for name in NAMES}
        self.admin = f"127.0.0.1:{next(ports)}"
        self._directory = directory
        self._environment = {**self._own_environment(), **(environment or {})}
        self._children: dict[str, Child] = {}

    @property
    def url(self) -> str:
        """Where the edge takes HTTP."""
        return f"http://{self.addresses['edge']}"

    @property
    def children(self) -> Sequence[Child]:
        """The processes that were started, to supervise."""
        return list(self._children.values())

    @property
    def environment(self) -> dict[str, str]:
        """What every process sees that is started from now on."""
        return self._environment

    def launch(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start one process, if need be in place of another, and return at once; `environment` is for this start alone.

        Call it in the main thread: a child ends with the thread that started it.
        """
        if name in self._children:
            # Reaps what ended.
            self._children[name].kill()
        self._children[name] = Child(
            name,
            [sys.executable, "-m", _MODULES[name]],
            log=self.log(name),
            environment={**self._environment, **(environment or {})},
        )
        self._children[name].start()

    def await_healthy(self, *names: str) -> None:
        """Wait until these processes (all where none is named) say that they can be used."""
        deadline = time.monotonic() + _START_S_MAX
        for name in names or NAMES:
            while not self._is_healthy(name):
                child = self._children[name]
                assert child.alive, f"{name} ended with {child.exit_code}: {child.last_words()}"
                assert time.monotonic() < deadline, f"{name} is not healthy: {child.last_words()}"
                time.sleep(_POLL_S)

    def start(self) -> None:
        """Start everything and wait until it is healthy."""
        for name in NAMES:
            self.launch(name)
        self.await_healthy()

    async def restart(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a process that ended and wait until it is healthy, while the event loop goes on."""
        self.launch(name, environment)
        await asyncio.to_thread(self.await_healthy, name)

    async def stop(self, name: str) -> int | None:
        """Ask a process to end (SIGTERM) and return its exit code, None where it doesn't end."""
        child = self._children[name]
        child.signal(signal.SIGTERM)
        await asyncio.to_thread(child.wait, timeout_s=_STOP_S_MAX)
        return child.exit_code

    def kill(self, name: str) -> None:
        """End a process at once (SIGKILL)."""
        self._children[name].kill()

    def freeze(self, name: str) -> None:
        """Stop a process where it stands (SIGSTOP)."""
        self._children[name].signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen process go on."""
        self._children[name].signal(signal.SIGCONT)

    def terminate_all(self) -> None:
        """End every process, those that don't want to at once."""
        children = [self._children[name] for name in reversed(NAMES) if name in self._children]
        for signum in (signal.SIGCONT, signal.SIGTERM):
            for child in children:
                child.signal(signum)
        deadline = time.monotonic() + _STOP_S_MAX
        for child in children:
            child.wait(timeout_s=max(0.0, deadline - time.monotonic()))
            child.kill()

    def is_alive(self, name: str) -> bool:
        """Return whether a process runs, frozen or not."""
        return self._children[name].alive

    def process(self, name: str) -> psutil.Process:
        """Return a running process, to ask for its memory or its connections."""
        return psutil.Process(self._children[name].pid)

    def log(self, name: str) -> Path:
        """Return the file that holds what a process wrote."""
        return self._directory / f"{name}.log"

    def log_lines(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Return what a process logged so far; what is not JSON comes as `{"text": …}`."""
        return [_parsed(line) for line in self.log(name).read_text(errors="replace").splitlines()]

    def _is_healthy(self, name: str) -> bool:
        return _edge_is_ready(self.admin) if name == "edge" else _grpc_serves(self.addresses[name])

    def _own_environment(self) -> Mapping[str, str]:
        addresses = self.addresses
        return {
            **environment_without(*_FOREIGN),
            "MONGO_URL": self.mongo_url,
            "HMAC_SECRET_KEY": SECRET,
            "EDGE_API_KEYS": API_KEY,
            "EDGE_BIND": addresses["edge"],
            "EDGE_ADMIN_BIND": self.admin,
            "EDGE_INGEST_TARGET": addresses["ingest"],
            "EDGE_LEDGER_TARGET": addresses["ledger"],
            "EDGE_INSIGHT_TARGET": addresses["insight"],
            "INGEST_BIND": addresses["ingest"],
            "INGEST_LEDGER_TARGET": addresses["ledger"],
            "INGEST_INSIGHT_TARGET": addresses["insight"],
            "LEDGER_BIND": addresses["ledger"],
            "INSIGHT_BIND": addresses["insight"],
            "INSIGHT_LEDGER_TARGET": addresses["ledger"],
        }


@contextmanager
def running_mesh(
    mongo_url: str, directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator[RunningMesh]:
    """Run a mesh while the context lasts."""
    mesh = RunningMesh(mongo_url, directory, environment)
    try:
        mesh.start()
        yield mesh
    finally:
        mesh.terminate_all()


def _grpc_serves(address: str) -> bool:
    # Not grpc.aio: the waiting is done in threads, beside whatever loop the test has.
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _edge_is_ready(admin: str) -> bool:
    connection = http.client.HTTPConnection(admin, timeout=1.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _parsed(line: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError:
        return {"text": line}
    return fields if isinstance(fields, dict) else {"text": line}
