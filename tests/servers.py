"""Real servers for tests: a MongoDB replica set, a fresh database in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from autopay_cli.embedded_mongo import EmbeddedMongo
from autopay_cli.failure import Failure
from autopay_cli.mongod import find


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
