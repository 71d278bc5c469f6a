"""Real servers for tests: a MongoDB replica set, a fresh database in it, a whole mesh."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from autopay_cli import meshfile
from autopay_cli.embedded_mongo import EmbeddedMongo
from autopay_cli.failure import Failure
from autopay_cli.meshfile import Mesh
from autopay_cli.mongod import find
from mesh.settings import environment_without


def why_no_mongod() -> str:
    """Why no mongod can be run here, "" where one can."""
    try:
        find()
    except Failure as failure:
        return str(failure)
    return ""


@contextmanager
def running_mongo(directory: Path, *, members: int = 1) -> Iterator[EmbeddedMongo]:
    """Run a replica set while the context lasts; its methods kill, freeze and restart single members."""
    mongo = EmbeddedMongo(directory, members=members)
    mongo.start()
    try:
        yield mongo
    finally:
        # Its data is thrown away: nothing has to be ended cleanly.
        for index in range(members):
            mongo.kill(index)


@contextmanager
def fresh_database(mongo: EmbeddedMongo) -> Iterator[str]:
    """Yield the connection string of a database that nobody has used, and drop it afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    url = mongo.url_of(name)
    yield url
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=5_000) as client:
        client.drop_database(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningUp:
    """A mesh started by `autopay up`.

    Attributes:
        process: the `autopay up`.
        data: its data directory.
        output: the file with what it printed.
        ready_s: how long it took to be ready, seconds.
    """

    process: subprocess.Popen[bytes]
    data: Path
    output: Path
    ready_s: float

    @property
    def mesh(self) -> Mesh:
        """Where it is, as mesh.json says now."""
        return meshfile.read(self.data)

    @property
    def ready_line(self) -> str:
        """The one line that says it is ready."""
        (line,) = [line for line in self.output.read_text().splitlines() if line.startswith("ready ")]
        return line


def start_up(data: Path, *options: str, **variables: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Start `autopay up` on free ports in a terminal session of its own; return it and the file it prints to."""
    data.parent.mkdir(parents=True, exist_ok=True)
    output = data.parent / f"{data.name}-{uuid.uuid4().hex[:8]}.out"
    ports = [word for name in ("edge", "ingest", "ledger", "insight") for word in (f"--{name}", "127.0.0.1:0")]
    command = [sys.executable, "-m", "autopay_cli", "up", *ports, "--data-dir", str(data), *options]
    with output.open("wb") as printed:
        process = subprocess.Popen(
            command,
            # Away from the .env of whoever runs the tests.
            cwd=data.parent,
            env={**bare_environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, output


def bare_environment() -> dict[str, str]:
    """The environment without any setting of the mesh."""
    return environment_without(
        "AUTOPAY_",
        "EDGE_",
        "INGEST_",
        "LEDGER_",
        "INSIGHT_",
        "MONGO_",
        "HMAC_",
        "MONITORING_",
        "MAX_WEBHOOK_",
        "OTEL_",
        "WEBHOOK_",
        "GEMINI_",
        "GOOGLE_",
    )


@contextmanager
def running_up(data: Path, *options: str, **variables: str) -> Iterator[RunningUp]:
    """Run a whole mesh, its demonstration done, while the context lasts; options and variables are added.

    Raises:
        AssertionError: it is not ready in time; the message is what it printed.
    """
    started = time.monotonic()
    process, output = start_up(data, *options, **variables)
    try:
        await_line("ready ", process, output)
        ready_s = time.monotonic() - started
        await_line("Logs are in ", process, output)
        yield RunningUp(process=process, data=data, output=output, ready_s=ready_s)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            # Its children notice.
            process.kill()
            process.wait()


def await_line(start: str, process: subprocess.Popen[bytes], output: Path) -> None:
    """Wait until a process has printed a line that starts so."""
    deadline = time.monotonic() + 60
    while not any(line.startswith(start) for line in output.read_text().splitlines()):
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process runs: there is one of this id, and it is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def still_running(pids: Iterable[int], *, wait_s: float = 0) -> list[int]:
    """Which of the processes run, after having waited up to `wait_s` for their end."""
    wanted = list(pids)
    deadline = time.monotonic() + wait_s
    while (left := [pid for pid in wanted if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
