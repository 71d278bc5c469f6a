"""One run of `autopay up`: claim, start, announce, demonstrate, watch, drain."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import typer

from autopay_cli import credentials, demonstration, environment, meshfile, outside_mongo, plan, screen
from autopay_cli.embedded_mongo import EmbeddedMongo
from autopay_cli.failure import Failure
from autopay_cli.local_mesh import LocalMesh
from autopay_cli.supervision import Supervisor

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OK: Final = 0
_FAILED: Final = 1
_INTERRUPTED: Final = 130
# mesh.settings: a drain's notice and, once for calls and once for queues, its grace.
_DRAIN_NOTICE_S: Final = 0.2
_DRAIN_GRACE_S: Final = 10.0
_PIDS_REFRESH_S: Final = 1.0
_PIDS_POLL_S: Final = 0.1
_LEFTOVERS_S_MAX: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller of `autopay up` asked for; see its options."""

    edge: str
    ingest: str
    ledger: str
    insight: str
    data_directory: Path
    demo: bool | None
    once: bool
    mtls: bool
    mongo_members: int
    mongod: Path | None


def run(wishes: Wishes) -> int:
    """Run a mesh until it is told to stop and return the exit code.

    Raises:
        Failure: it can't start.
    """
    variables = environment.load()
    if variables.get("AUTOPAY_ENV") == "production":
        raise Failure(
            "`autopay up` is for development: it makes secrets and speaks plaintext. Unset AUTOPAY_ENV=production, or "
            "run each process by `autopay serve` with settings of its own."
        )
    with _only_one(wishes.data_directory):
        _await_leftovers(wishes.data_directory)
        mesh = _prepare(wishes, variables)
        return asyncio.run(Session(mesh, wishes, variables).run())


def _await_leftovers(directory: Path) -> None:
    """Wait for the processes of an `autopay up` that was killed: each stops by itself, and holds its address until."""
    deadline = time.monotonic() + _LEFTOVERS_S_MAX
    while left := meshfile.leftovers(directory):
        if time.monotonic() > deadline:
            pids = " ".join(map(str, left))
            raise Failure(f"processes of an earlier mesh in {directory} still run: end them first (kill {pids}).")
        time.sleep(_PIDS_POLL_S)


def _prepare(wishes: Wishes, variables: Mapping[str, str]) -> LocalMesh:
    directory = wishes.data_directory
    logs = directory / "logs"
    places = plan.claim(edge=wishes.edge, ingest=wishes.ingest, ledger=wishes.ledger, insight=wishes.insight)
    keys = credentials.load(directory, variables)
    url = environment.value_of("MONGO_URL", variables)
    if url:
        mongo, url = None, outside_mongo.check(url)
    else:
        mongo = EmbeddedMongo(directory / "mongo", members=wishes.mongo_members, logs=logs, mongod=wishes.mongod)
        url = mongo.url
    certificates = _certificates(wishes, variables)
    services = plan.children(places, keys, mongo_url=url, environment=variables, logs=logs, certificates=certificates)
    return LocalMesh(
        services,
        places=places,
        credentials=keys,
        mongo=mongo,
        mongo_url=url,
        data_directory=directory,
        certificates=certificates,
    )


def _certificates(wishes: Wishes, variables: Mapping[str, str]) -> Path | None:
    """Return the directory of the processes' certificates, made where they are missing; None for plaintext."""
    if not wishes.mtls:
        if own := [name for name in variables if name.endswith("_TLS_CERT") and variables[name]]:
            raise Failure(f"{own[0]} is set, but `autopay up` uses certificates of its own: unset it, or add --mtls.")
        return None
    from autopay_cli import certificates

    directory = wishes.data_directory / "certs"
    certificates.issue(directory, days=30, trust_domain="autopay", renew=False, now=datetime.now(UTC))
    return directory


class Session:
    """Drives one mesh from its start to its end."""

    def __init__(self, mesh: LocalMesh, wishes: Wishes, variables: Mapping[str, str]) -> None:
        """Drive `mesh`, which is not started."""
        self._mesh = mesh
        self._wishes = wishes
        self._variables = variables
        self._stop = asyncio.Event()
        self._hurry = False
        self._announced = False

    async def run(self) -> int:
        """Start, serve until a signal or the end of the demonstration, stop; return the exit code."""
        for signum in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(signum, self._signalled)
        serving = asyncio.create_task(self._serve())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            # Before the first await: nobody else may start children, and nothing started may be forgotten.
            self._mesh.launch()
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                return serving.result()
            return _OK if self._announced else _INTERRUPTED
        finally:
            serving.cancel()
            stopping.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await serving
            await self._end()

    def _signalled(self) -> None:
        if self._stop.is_set():
            self._hurry = True
            self._mesh.kill()
        self._stop.set()

    async def _serve(self) -> int:
        await self._mesh.await_ready()
        self._announce()
        code = await self._demonstrate()
        if self._wishes.once:
            return code
        typer.echo(f"Logs are in {self._mesh.logs}. Ctrl-C stops the mesh.")
        supervisor = Supervisor(self._mesh.children, say=_say, changed=self._mesh.publish)
        async with asyncio.TaskGroup() as group:
            group.create_task(supervisor.watch())
            group.create_task(self._refresh_pids())
        return _OK

    def _announce(self) -> None:
        self._mesh.publish()
        mesh = self._mesh.mesh
        typer.echo(
            f"ready edge={mesh.edge} ingest={mesh.ingest} ledger={mesh.ledger} insight={mesh.insight} "
            f"mongo={outside_mongo.redacted(mesh.mongo)}"
        )
        self._announced = True

    async def _demonstrate(self) -> int:
        wished = self._wishes.demo
        if wished is False or (wished is None and not self._mesh.owns_mongo):
            return _OK
        answer = await demonstration.send(self._mesh.mesh, demonstration.payment())
        demonstration.show(screen.console(), answer)
        typer.echo("Send another:\n" + demonstration.another(self._mesh.mesh, self._wishes.data_directory))
        return _OK if answer.accepted else _FAILED

    async def _refresh_pids(self) -> None:
        """Keep mesh.json true where the edge starts workers of its own."""
        if self._variables.get("EDGE_WORKERS", "1") in {"", "0", "1"}:
            return
        known = self._mesh.pids
        while True:
            await asyncio.sleep(_PIDS_REFRESH_S)
            if known != (known := self._mesh.pids):
                self._mesh.publish()

    async def _end(self) -> None:
        killed = await self._mesh.drain(grace_s=_drain_s(self._variables))
        self._mesh.publish()
        if killed and not self._hurry:
            typer.echo(f"{', '.join(killed)} did not stop in time and had to be killed.", err=True)


def _say(line: str) -> None:
    # Whoever read the output may have gone; the mesh goes on.
    with suppress(OSError):
        typer.echo(line)


def _drain_s(variables: Mapping[str, str]) -> float:
    """Return how long a process may take to stop, by its own settings."""
    try:
        notice_s = float(variables.get("AUTOPAY_DRAIN_NOTICE_S", _DRAIN_NOTICE_S))
        grace_s = float(variables.get("AUTOPAY_DRAIN_GRACE_S", _DRAIN_GRACE_S))
    except ValueError:
        notice_s, grace_s = _DRAIN_NOTICE_S, _DRAIN_GRACE_S
    return notice_s + 2 * grace_s + 1


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Hold the data directory, which is made with mode 0700, against a second `autopay up`."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Failure(f"can't use {directory} ({error.strerror}): name another --data-dir.") from error
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                f"a mesh runs in {directory} already (process {lock.read().strip() or 'unknown'}): stop it, "
                "or name another --data-dir."
            ) from None
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield
