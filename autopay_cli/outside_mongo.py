"""A MongoDB that is not ours (MONGO_URL): can the mesh use it?"""

from __future__ import annotations

from typing import Any, Final

from autopay_cli.failure import Failure

_REACH_MS_MAX: Final = 4_000
_CORRECT_IT: Final = "Correct it, or unset it to use an embedded MongoDB."


def check(url: str) -> str:
    """Return the connection string with its database, `autopay` where it names none.

    Raises:
        Failure: it is malformed, nobody answers, or what answers is no replica set.
    """
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    if not url.startswith(("mongodb://", "mongodb+srv://")):
        raise Failure(f"MONGO_URL is no connection string: expected mongodb://HOST:PORT/autopay. {_CORRECT_IT}")
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=_REACH_MS_MAX) as client:
            database = client.get_default_database("autopay").name
            client.get_database(database).command("ping")
            hello = client.admin.command("hello")
    except (PyMongoError, ValueError, TypeError) as error:
        # What follows is the driver's own configuration and its view of the topology.
        why = str(error).split(", Timeout:")[0].split(" (configured timeouts:")[0]
        raise Failure(f"MONGO_URL ({redacted(url)}) can't be used: {why}. {_CORRECT_IT}") from error
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise Failure(
            f"MONGO_URL ({redacted(url)}) is a single server: the mesh needs a replica set (one member is enough: "
            "mongod --replSet rs0) or mongos."
        )
    return with_database(url, database)


def with_database(url: str, database: str) -> str:
    """Return the connection string with a database in its path, where it has none."""
    scheme, _, rest = url.partition("://")
    location, question, options = rest.partition("?")
    hosts, _, path = location.partition("/")
    return url if path else f"{scheme}://{hosts}/{database}{question}{options}"


def redacted(url: str) -> str:
    """Return the connection string without its password, for lines that people and logs see."""
    scheme, separator, rest = url.partition("://")
    credentials, at, location = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{separator}{user}{':***' if colon else ''}{at}{location}"
