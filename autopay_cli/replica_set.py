"""What the embedded MongoDB's members are told: that they are one replica set, and where they live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pymongo import MongoClient

NAME: Final = "rs0"
_ELECTION_TIMEOUT_MS: Final = 2_000
# The server's code for a member that has a configuration already.
_ALREADY_INITIALIZED: Final = 23


@contextmanager
def connected(ports: Sequence[int]) -> Iterator[Sequence[MongoClient[dict[str, Any]]]]:
    """Yield a client of each member alone."""
    from pymongo import MongoClient  # half of a command's start-up time

    clients: list[MongoClient[dict[str, Any]]] = [
        MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=500, socketTimeoutMS=10_000)
        for port in ports
    ]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def hello(client: MongoClient[dict[str, Any]]) -> Mapping[str, Any] | None:
    """Return what a member says of itself, None while it doesn't answer."""
    from pymongo.errors import ConnectionFailure

    try:
        return client.admin.command("hello")
    except ConnectionFailure:
        return None


def is_primary(client: MongoClient[dict[str, Any]]) -> bool:
    """Return whether a member is the primary."""
    return bool((hello(client) or {}).get("isWritablePrimary"))


def initiate(client: MongoClient[dict[str, Any]], ports: Sequence[int]) -> None:
    """Make a set of fresh members, through any of them; nothing happens if they are one already."""
    from pymongo.errors import OperationFailure

    members = [{"_id": index, "host": host} for index, host in enumerate(hosts(ports))]
    settings = {"electionTimeoutMillis": _ELECTION_TIMEOUT_MS}
    try:
        client.admin.command("replSetInitiate", {"_id": NAME, "members": members, "settings": settings})
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise


def rename(client: MongoClient[dict[str, Any]], ports: Sequence[int]) -> None:
    """Change the addresses in the configuration of a member that runs outside its set."""
    addresses = {f"members.{index}.host": host for index, host in enumerate(hosts(ports))}
    client.get_database("local")["system.replset"].update_one({"_id": NAME}, {"$set": addresses})


def hosts(ports: Sequence[int]) -> Sequence[str]:
    """Return the members' addresses."""
    return [f"127.0.0.1:{port}" for port in ports]
