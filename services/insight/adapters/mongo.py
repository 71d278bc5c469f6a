"""The connection to MongoDB, with durability pinned whatever the URL says."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pymongo import ReadPreference, WriteConcern
from pymongo.errors import ConfigurationError, PyMongoError
from pymongo.read_concern import ReadConcern

from services.insight.ports import StoreDown

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase

    Client = AsyncIOMotorClient[dict[str, Any]]
    Database = AsyncIOMotorDatabase[dict[str, Any]]

DURABLE: Final = WriteConcern(w="majority", j=True, wtimeout=5_000)
_DEFAULT_DATABASE: Final = "autopay"
_SELECTION_MS: Final = 2_000
_SOCKET_MS: Final = 10_000


def connect(url: str, *, pool_min: int, pool_max: int) -> Client:
    """Return a client that connects when it is first used.

    Raises:
        ValueError: the URL is not a MongoDB URL.
    """
    # Motor reads the size of its thread pool when it is first imported, so not before this line.
    os.environ.setdefault("MOTOR_MAX_WORKERS", str(pool_max))
    from motor.motor_asyncio import AsyncIOMotorClient

    try:
        return AsyncIOMotorClient(
            url,
            minPoolSize=min(pool_min, pool_max),
            maxPoolSize=pool_max,
            retryWrites=True,
            retryReads=True,
            serverSelectionTimeoutMS=_SELECTION_MS,
            connectTimeoutMS=_SELECTION_MS,
            socketTimeoutMS=_SOCKET_MS,
            waitQueueTimeoutMS=_SELECTION_MS,
            appname="autopay-insight",
        )
    except (ConfigurationError, ValueError) as error:
        # What is wrong is quoted only where it can't be a part of a password.
        what = "it holds a password, so no part of it is shown" if "@" in url else str(error)
        message = f"MONGO_URL is not a MongoDB URL: {what}"
        raise ValueError(message) from None


def database_of(client: Client, url: str) -> Database:
    """Return the database that the URL names, `autopay` where it names none."""
    name = urlsplit(url).path.lstrip("/") or _DEFAULT_DATABASE
    return client.get_database(
        name,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=DURABLE,
    )


@asynccontextmanager
async def store_down() -> AsyncIterator[None]:
    """Turn every failure of the driver into the one the ports know."""
    try:
        yield
    except PyMongoError as error:
        raise StoreDown(f"{type(error).__name__}: {str(error)[:200]}") from error
