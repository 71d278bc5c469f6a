"""The port `ChangeFeed` on a MongoDB change stream.

It is driven by plain commands, so that a whole batch costs one hop to a thread and back.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import bson
from bson import CodecOptions, Int64, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure, PyMongoError

from services.ledger.adapters.changes import PIPELINE, to_change
from services.ledger.adapters.documents import CODEC
from services.ledger.read_ports import Batch, FeedInterrupted, FeedLost, FeedUnknown

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorClientSession, AsyncIOMotorDatabase

# ChangeStreamHistoryLost; ChangeStreamFatalError: the token names an entry that is not in the history.
_LOST: Final = frozenset({280, 286})
# InvalidResumeToken; BadValue, FailedToParse and Overflow, which a token that is none runs into.
_UNKNOWN: Final = frozenset({2, 9, 15, 260})
# Tokens that only look like one are refused by the server's key decoder, whose errors have five digits.
_DECODER_ERROR_MIN: Final = 40_000
# A token is a sortable key in hexadecimal: the type of a timestamp, its seconds, its ordinal, and more.
_TOKEN: Final = re.compile(r"82([0-9A-F]{8})[0-9A-F]{8}(?:[0-9A-F]{2}){1,2000}", re.ASCII)
_RAW: Final = CodecOptions(document_class=RawBSONDocument)
# Clocks of a cluster's members agree far better; a token from later than this is of another cluster.
_FUTURE_S_MAX: Final = 3_600


class MongoChangeFeed:
    """Opens change streams on `transactions`; its database handle should belong to a client of its own."""

    def __init__(
        self,
        database: AsyncIOMotorDatabase[dict[str, Any]],
        *,
        collection: str = "transactions",
        batch_max: int = 500,
        silence_ms: int = 800,
    ) -> None:
        """Read batches of at most `batch_max` changes; a silent read returns after `silence_ms`.

        The client's socket timeout has to be longer than that.
        """
        self._database = database
        self._collection = collection
        self._batch_max = batch_max
        self._silence_ms = silence_ms
        self._mark = ""

    def check(self, position: str) -> None:
        """Make sure that a position looks like a token and lies not in the future."""
        matched = _TOKEN.fullmatch(position)
        if matched is None or int(matched[1], 16) > time.time() + _FUTURE_S_MAX:
            raise FeedUnknown("not a position of this feed")

    async def now(self) -> str:
        """Return the position behind the server's last operation."""
        try:
            last = await self._operation_time()
        except PyMongoError as error:
            raise FeedInterrupted(str(error)) from error
        return f"82{last.time:08X}{last.inc + 1:08X}{self._mark}"

    async def open(self, after: str | None) -> MongoChangeCursor:
        """Start a stream after a position, or at the server's last operation."""
        stage: dict[str, Any] = {"fullDocument": "updateLookup"}
        if after is not None:
            stage["startAfter"] = {"_data": after}
        session = None
        try:
            if after is None:
                stage["startAtOperationTime"] = await self._operation_time()
            # A cursor belongs to its session. A causally consistent one would add what getMore refuses.
            session = await self._database.client.start_session(causal_consistency=False)
            reply = await self._database.command(self._aggregate(stage), codec_options=CODEC, session=session)
        except PyMongoError as error:
            if session is not None:
                await session.end_session()
            raise _failure(error, opening_after=after) from error
        more = {"collection": self._collection, "batchSize": self._batch_max, "maxTimeMS": self._silence_ms}
        cursor = MongoChangeCursor(self._database, session, reply["cursor"], more=more)
        if after is None:
            # What follows the time in a position that is a mere point in time; servers' versions differ.
            self._mark = cursor.position[18:]
        return cursor

    def _aggregate(self, stage: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "aggregate": self._collection,
            "pipeline": [{"$changeStream": stage}, *PIPELINE],
            "cursor": {"batchSize": 0},
            "readConcern": {"level": "majority"},
        }

    async def _operation_time(self) -> Timestamp:
        reply = await self._database.command("ping")
        operation_time: Timestamp = reply["operationTime"]
        return operation_time


class MongoChangeCursor:
    """One open change stream."""

    def __init__(
        self,
        database: AsyncIOMotorDatabase[dict[str, Any]],
        session: AsyncIOMotorClientSession,
        cursor: Mapping[str, Any],
        *,
        more: Mapping[str, Any],
    ) -> None:
        """Continue what `cursor`, the reply's part of that name, began; `more` is sent with each getMore."""
        self._database = database
        self._session = session
        self._id = Int64(cursor["id"])
        self._more = more
        self._position: str = cursor["postBatchResumeToken"]["_data"]

    @property
    def position(self) -> str:
        """Where the stream stands."""
        return self._position

    async def read(self) -> Batch:
        """Return what came."""
        if not self._id:
            raise FeedInterrupted("the collection was dropped or renamed, which ends its stream")
        try:
            reply = await self._database.command(
                {"getMore": self._id, **self._more}, codec_options=_RAW, session=self._session
            )
            cursor = reply["cursor"]
            # One entry after the other: decoded all at once they would be megabytes, and leave the processor's cache.
            decoded = (bson.decode(entry.raw, CODEC) for entry in cursor["nextBatch"])
            changes = [change for entry in decoded if (change := to_change(entry)) is not None]
        except PyMongoError as error:
            raise _failure(error, opening_after=None) from error
        self._id = Int64(cursor["id"])
        self._position = cursor["postBatchResumeToken"]["_data"]
        return Batch(changes=changes, position=self._position)

    async def close(self) -> None:
        """Kill the server's cursor and return the session."""
        try:
            if self._id:
                command = {"killCursors": self._more["collection"], "cursors": [self._id]}
                await self._database.command(command, session=self._session)
        except PyMongoError:
            # The server forgets cursors of a broken connection by itself.
            pass
        finally:
            self._id = Int64(0)
            await self._session.end_session()


def _failure(error: PyMongoError, *, opening_after: str | None) -> Exception:
    if isinstance(error, OperationFailure):
        if error.code in _LOST:
            return FeedLost(str(error))
        if (
            opening_after is not None
            and error.code is not None
            and (error.code in _UNKNOWN or error.code >= _DECODER_ERROR_MIN)
        ):
            return FeedUnknown(str(error))
    return FeedInterrupted(str(error))
