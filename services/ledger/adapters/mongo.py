"""The connection to MongoDB, with durability pinned whatever the URL says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pymongo import ReadPreference, WriteConcern
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from pymongo.read_concern import ReadConcern

from services.ledger.adapters.documents import CODEC

if TYPE_CHECKING:
    from typing import TypeAlias

    from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase

    Database: TypeAlias = AsyncIOMotorDatabase[dict[str, Any]]

DEFAULT_DATABASE: Final = "autopay"
MAJORITY_READ: Final = ReadConcern("majority")
# Threads Motor runs its operations in: writes, reads and the change stream each have a client of their own.
_CLIENTS: Final = 3
# A migration's client needs two: one for the step, one that prolongs its lease.
PATIENT_POOL_MAX: Final = 2
_PATIENT_BUDGET_S: Final = 10.0


def connect(
    url: str, *, pool_min: int, pool_max: int, budget_s: float, patient: bool = False
) -> AsyncIOMotorClient[dict[str, Any]]:
    """Return a client that connects lazily; an operation gives up after about `budget_s` seconds.

    A patient one connects in that time, and then waits for an answer however long it takes.

    Raises:
        ValueError: the URL is not a MongoDB URL.
    """
    # Motor sizes its thread pool when it is first imported: too small, and idle change streams block writes.
    os.environ.setdefault("MOTOR_MAX_WORKERS", str(pool_max * _CLIENTS + PATIENT_POOL_MAX))
    from motor.motor_asyncio import AsyncIOMotorClient as Client  # noqa: PLC0415

    budget_ms = int(budget_s * 1000)
    try:
        return Client(
            url,
            minPoolSize=min(pool_min, pool_max),
            maxPoolSize=pool_max,
            retryWrites=True,
            retryReads=True,
            readPreference="primary",
            w="majority",
            journal=True,
            wTimeoutMS=budget_ms,
            serverSelectionTimeoutMS=budget_ms,
            connectTimeoutMS=budget_ms,
            socketTimeoutMS=None if patient else budget_ms + 500,
            waitQueueTimeoutMS=budget_ms,
            appname="autopay-ledger",
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        # What is wrong is quoted only where it can't be a part of a password.
        what = "it holds a password, so no part of it is shown" if "@" in url else str(error)
        message = f"MONGO_URL is not a MongoDB URL: {what}"
        raise ValueError(message) from None


def connect_patiently(url: str) -> AsyncIOMotorClient[dict[str, Any]]:
    """Return a client for what may take minutes: building an index, changing every document.

    Raises:
        ValueError: the URL is not a MongoDB URL.
    """
    return connect(url, pool_min=0, pool_max=PATIENT_POOL_MAX, budget_s=_PATIENT_BUDGET_S, patient=True)


def database_of(client: AsyncIOMotorClient[dict[str, Any]], url: str) -> AsyncIOMotorDatabase[dict[str, Any]]:
    """Return the database the URL names, `autopay` where it names none, with our codec and concerns."""
    name = urlsplit(url).path.lstrip("/") or DEFAULT_DATABASE
    return client.get_database(
        name,
        codec_options=CODEC,
        read_preference=ReadPreference.PRIMARY,
        read_concern=MAJORITY_READ,
    )


def durable(
    database: AsyncIOMotorDatabase[dict[str, Any]], name: str, *, wtimeout_s: float
) -> AsyncIOMotorCollection[dict[str, Any]]:
    """Return a collection whose writes are majority and journaled, and whose reads no fail-over takes back."""
    concern = WriteConcern(w="majority", j=True, wtimeout=int(wtimeout_s * 1000))
    return database.get_collection(
        name,
        codec_options=CODEC,
        write_concern=concern,
        read_concern=MAJORITY_READ,
        read_preference=ReadPreference.PRIMARY,
    )


async def check(client: AsyncIOMotorClient[dict[str, Any]]) -> None:
    """Make sure the server answers and can do what the ledger needs.

    Raises:
        PyMongoError: it does not answer.
        ValueError: it is a standalone server, which has neither retryable writes nor change streams.
    """
    hello = await client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        message = (
            "MONGO_URL names a standalone mongod; the ledger needs a replica set (one member is enough: "
            "start mongod with --replSet and run rs.initiate()) or a mongos"
        )
        raise ValueError(message)


__all__ = ["PyMongoError", "check", "connect", "connect_patiently", "database_of", "durable"]
