"""The embedded MongoDB is a real replica set that keeps its data and never outlives its owner."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from autopay_cli.embedded_mongo import EmbeddedMongo
from autopay_cli.failure import Failure
from tests.servers import running_mongo, still_running, why_no_mongod

if reason := why_no_mongod():
    pytest.skip(reason, allow_module_level=True)

Start = Callable[..., EmbeddedMongo]


def insert(url: str, document: dict[str, Any]) -> None:
    """Insert with the guarantees the ledger asks for."""
    with MongoClient[dict[str, Any]](url) as client:
        majority = WriteConcern(w="majority", j=True, wtimeout=5_000)
        client.get_default_database().get_collection("facts", write_concern=majority).insert_one(document)


def count(url: str) -> int:
    """The number of documents inserted so far."""
    with MongoClient[dict[str, Any]](url) as client:
        return client.get_default_database()["facts"].count_documents({})


def test_data_survives_a_restart_at_the_same_address(tmp_path: Path) -> None:
    """A second start on a data directory finds what the first one stored, under the same URL."""
    first = EmbeddedMongo(tmp_path / "mongo")
    first.start()
    insert(first.url, {"_id": 1})
    first.stop()
    with running_mongo(tmp_path / "mongo") as second:
        assert second.url == first.url
        assert count(second.url) == 1


@pytest.mark.parametrize("members", [1, 3])
def test_data_survives_a_restart_when_a_port_was_taken_meanwhile(tmp_path: Path, members: int) -> None:
    """A port of the last run that is taken now is replaced, and the set learns its new address."""
    first = EmbeddedMongo(tmp_path / "mongo", members=members)
    first.start()
    insert(first.url, {"_id": 1})
    first.stop()
    port = int(first.url_of("x").removeprefix("mongodb://127.0.0.1:").split(",")[0].split("/")[0])
    with (
        socket.create_server(("127.0.0.1", port)),
        running_mongo(tmp_path / "mongo", members=members) as second,
    ):
        assert second.url != first.url
        assert count(second.url) == 1
        insert(second.url, {"_id": 2})


def test_a_frozen_majority_acknowledges_nothing(start_mongo: Start) -> None:
    """With both secondaries frozen a majority write is refused; after they thaw it succeeds."""
    mongo = start_mongo(members=3)
    insert(mongo.url, {"_id": 1})
    primary = mongo.primary()
    secondaries = [index for index in range(3) if index != primary]
    for index in secondaries:
        mongo.freeze(index)
    hurried = WriteConcern(w="majority", wtimeout=300)
    with MongoClient[dict[str, Any]](mongo.url) as client:
        facts = client.get_default_database().get_collection("facts", write_concern=hurried)
        with pytest.raises(PyMongoError, match=r"timed out|timeout"):
            facts.insert_one({"_id": 2})
    for index in secondaries:
        mongo.thaw(index)
    insert(mongo.url, {"_id": 3})


def test_a_killed_primary_is_replaced(start_mongo: Start) -> None:
    """Another member takes over, and the killed one can come back."""
    mongo = start_mongo(members=3)
    killed = mongo.primary()
    mongo.kill(killed)
    insert(mongo.url, {"_id": 1})
    mongo.restart(killed)
    assert mongo.children[killed].alive


def test_a_set_of_another_size_is_refused(tmp_path: Path) -> None:
    """Starting three members on the data of one says so instead of losing data."""
    with running_mongo(tmp_path / "mongo"), pytest.raises(Failure, match="--mongo-members 1"):
        EmbeddedMongo(tmp_path / "mongo", members=3)


def test_only_the_owner_may_read_the_data(tmp_path: Path) -> None:
    """The data directory is closed to others, whatever it was before."""
    home = tmp_path / "mongo"
    home.mkdir(mode=0o755)
    EmbeddedMongo(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_mongod_does_not_outlive_a_killed_owner(tmp_path: Path) -> None:
    """When the owner is killed, so that it can clean up nothing, mongod ends by itself."""
    owner = (
        "import sys, time; from pathlib import Path; from autopay_cli.embedded_mongo import EmbeddedMongo\n"
        "mongo = EmbeddedMongo(Path(sys.argv[1])); mongo.start()\n"
        "print(*mongo.pids, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", owner, str(tmp_path / "mongo")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert still_running([pid], wait_s=15) == []


def test_a_mongod_that_cannot_start_is_reported_with_its_log(tmp_path: Path) -> None:
    """A data directory that mongod refuses gives one sentence naming the log."""
    data = tmp_path / "mongo" / "member-0"
    data.mkdir(parents=True)
    (data / "storage.bson").write_bytes(b"not bson")
    with pytest.raises(Failure, match=r"mongod ended with code .*mongod\.log"):
        EmbeddedMongo(tmp_path / "mongo").start()
