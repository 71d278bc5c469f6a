"""A real MongoDB replica set on this machine, of one or three members, that keeps its data between runs."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from autopay_cli import mongod_tuning, replica_set
from autopay_cli.addresses import free_ports, is_free
from autopay_cli.failure import Failure
from autopay_cli.mongod import find
from autopay_cli.processes import Child

_START_S_MAX: Final = 60.0
_STOP_S_MAX: Final = 20.0
_POLL_S: Final = 0.02


class EmbeddedMongo:
    """Runs the members. Start it in a thread that lives as long as they should (see `Child`).

    `start` does everything; `launch` and `await_primary` are its halves, for a caller with more to do.
    """

    def __init__(
        self, directory: Path, *, members: int = 1, logs: Path | None = None, mongod: Path | None = None
    ) -> None:
        """Keep the data under `directory` (made with mode 0700), the logs under `logs` (there too when None).

        Raises:
            Failure: no mongod can be run here, or the directory holds a set of another size.
        """
        self._binary = find(mongod)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
        self._directory = directory
        self._logs = logs or directory
        self._memory = directory / "ports.json"
        self._known = _recall(self._memory, members)
        # A port of the last run may be taken now.
        spare = free_ports(members)
        self._ports = [port if is_free(port) else spare[index] for index, port in enumerate(self._known or spare)]
        self._members = [self._member(index) for index in range(members)]

    @property
    def children(self) -> Sequence[Child]:
        """The members' processes."""
        return self._members

    @property
    def pids(self) -> Sequence[int]:
        """The members' process ids."""
        return [member.pid for member in self._members]

    @property
    def url(self) -> str:
        """The connection string, with database `autopay`."""
        return self.url_of("autopay")

    def url_of(self, database: str) -> str:
        """Return the connection string for a database."""
        return f"mongodb://{','.join(replica_set.hosts(self._ports))}/{database}?replicaSet={replica_set.NAME}"

    def start(self) -> None:
        """Start the members and wait until the set has a primary.

        Raises:
            Failure: a member ended, or there was no primary in time.
        """
        self.launch()
        try:
            self.await_primary()
        except BaseException:
            self.stop()
            raise

    def launch(self) -> None:
        """Start the members and return at once."""
        if self._known and self._known != self._ports:
            self._move()
        for member in self._members:
            member.start()

    def await_primary(self, *, timeout_s: float = _START_S_MAX) -> None:
        """Make the members a set where they are none yet, and wait until one of them is primary.

        Raises:
            Failure: a member ended, or there was no primary in time.
        """
        deadline = time.monotonic() + timeout_s
        with replica_set.connected(self._ports) as clients:
            if not self._known:
                _await(self._members, lambda: all(map(replica_set.hello, clients)), deadline)
                replica_set.initiate(clients[0], self._ports)
                self._remember()
            _await(self._members, lambda: any(map(replica_set.is_primary, clients)), deadline)

    def primary(self) -> int:
        """Return the index of the primary.

        Raises:
            Failure: there is none now.
        """
        with replica_set.connected(self._ports) as clients:
            for index, client in enumerate(clients):
                if replica_set.is_primary(client):
                    return index
        raise Failure("the replica set has no primary now.")

    def kill(self, index: int) -> None:
        """End a member at once (SIGKILL)."""
        self._members[index].kill()

    def freeze(self, index: int) -> None:
        """Stop a member where it stands (SIGSTOP)."""
        self._members[index].signal(signal.SIGSTOP)

    def thaw(self, index: int) -> None:
        """Let a frozen member go on."""
        self._members[index].signal(signal.SIGCONT)

    def restart(self, index: int) -> None:
        """Start a member that ended."""
        self._members[index].start()

    def stop(self, *, grace_s: float = _STOP_S_MAX) -> None:
        """End the members cleanly, and whatever is left after `grace_s` at once."""
        for signum in (signal.SIGCONT, signal.SIGTERM):
            for member in self._members:
                member.signal(signum)
        deadline = time.monotonic() + grace_s
        for member in self._members:
            member.wait(timeout_s=max(deadline - time.monotonic(), 0))
            member.kill()

    def _member(self, index: int, *, alone: bool = False) -> Child:
        name = "mongod" if len(self._ports) == 1 else f"mongod-{index}"
        data = self._directory / f"member-{index}"
        data.mkdir(exist_ok=True, mode=0o700)
        command = _command(self._binary, self._ports[index], data, members=len(self._ports), alone=alone)
        return Child(name, command, log=self._logs / f"{name}.log")

    def _move(self) -> None:
        """Tell each member, while it runs alone, where all live now: one that finds no self never joins."""
        for index, port in enumerate(self._ports):
            alone = self._member(index, alone=True)
            alone.start()
            deadline = time.monotonic() + _START_S_MAX
            try:
                with replica_set.connected([port]) as clients:
                    _await([alone], lambda: all(map(replica_set.hello, clients)), deadline)
                    replica_set.rename(clients[0], self._ports)
            finally:
                alone.stop(grace_s=_STOP_S_MAX)
        self._remember()

    def _remember(self) -> None:
        self._memory.write_text(json.dumps(self._ports), encoding="utf-8")
        self._known = self._ports


def _recall(memory: Path, members: int) -> list[int]:
    """Return the ports of the last run that made a set, none before the first."""
    if not memory.exists():
        return []
    known: list[int] = json.loads(memory.read_text(encoding="utf-8"))
    if len(known) != members:
        raise Failure(
            f"{memory.parent} holds a MongoDB replica set of {len(known)}, not of {members}: "
            f"use --mongo-members {len(known)}, or another --data-dir."
        )
    return known


def _await(members: Sequence[Child], condition: Callable[[], bool], deadline: float) -> None:
    while not condition():
        for member in members:
            if not member.alive:
                raise Failure(f"mongod ended with code {member.exit_code} while starting; see {member.log}.")
        if time.monotonic() > deadline:
            raise Failure(f"MongoDB has no primary in time; see {members[0].log}.")
        time.sleep(_POLL_S)


def _command(binary: Path, port: int, data: Path, *, members: int, alone: bool) -> Sequence[str]:
    options = {
        "--bind_ip": "127.0.0.1",
        "--port": str(port),
        "--dbpath": str(data),
        **mongod_tuning.options(members=members),
    }
    parameters = {
        # A member that waits 15 s for others to notice its leaving keeps Ctrl-C waiting, too.
        "shutdownTimeoutMillisForSignaledShutdown": "100",
        "diagnosticDataCollectionEnabled": "false",
    }
    if alone:
        # A member alone makes a sessions collection of its own, on which the set would then diverge.
        parameters["disableLogicalSessionCacheRefresh"] = "true"
    else:
        options["--replSet"] = replica_set.NAME
    command = [str(binary), "--nounixsocket", "--quiet"]
    for name, value in options.items():
        command += [name, value]
    for name, value in parameters.items():
        command += ["--setParameter", f"{name}={value}"]
    return command
