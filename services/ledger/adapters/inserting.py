"""One unordered insert of encoded documents, with every way it can end told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo.errors import AutoReconnect, PyMongoError

from services.ledger.model import NotDurable
from services.ledger.ports import Inserted

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

_DUPLICATE_KEY: Final = 11000
# What the server refuses about a document itself: validation, too large, bad value, malformed key.
_DOCUMENT_REFUSED: Final = frozenset({121, 10334, 2, 9, 17280, 17419, 52, 57})
# A command is one document to the server, of at most 16 MiB with everything in it.
_COMMAND_BYTES_MAX: Final = 12_000_000


async def insert_encoded(collection: AsyncIOMotorCollection[dict[str, Any]], encoded: Sequence[bytes]) -> Inserted:
    """Insert documents that may exist.

    By a plain command: the driver's bulk machinery costs more than encoding a document did, and its way to recognize a
    second attempt costs the server an entry per statement. A second attempt of ours needs none: what the first one
    wrote is there already, and told by its key (docs/adr/0011-inserts-are-plain-commands.md).

    Raises:
        NotDurable: any write concern error (each item's outcome is unknown then, whatever the rest of the answer says),
            an error that is neither a duplicate nor about one document, or no answer.
    """
    existing: set[int] = set()
    unstorable: set[int] = set()
    for start, part in _parts(encoded):
        answer = await _insert(collection, part)
        if answer.get("writeConcernError"):
            raise NotDurable("write concern not met")
        for problem in answer.get("writeErrors", ()):
            if problem["code"] == _DUPLICATE_KEY:
                existing.add(start + problem["index"])
            elif problem["code"] in _DOCUMENT_REFUSED:
                unstorable.add(start + problem["index"])
            else:
                raise NotDurable(str(problem.get("errmsg", "write error")))
    return Inserted(existing=frozenset(existing), unstorable=frozenset(unstorable))


async def _insert(collection: AsyncIOMotorCollection[dict[str, Any]], documents: Sequence[bytes]) -> Mapping[str, Any]:
    command = {
        "insert": collection.name,
        "documents": [RawBSONDocument(document) for document in documents],
        "ordered": False,
        "writeConcern": collection.write_concern.document,
    }
    try:
        return await _answered(collection, command)
    except AutoReconnect:
        # The primary went: once more, to the next one, as the driver's retryable writes would.
        try:
            return await _answered(collection, command)
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
    except PyMongoError as error:
        raise NotDurable(str(error)) from error


async def _answered(
    collection: AsyncIOMotorCollection[dict[str, Any]], command: Mapping[str, Any]
) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = await collection.database.command(command)
    return answer


def _parts(encoded: Sequence[bytes]) -> Iterator[tuple[int, Sequence[bytes]]]:
    """Cut into commands that the server takes, each with the position of its first document; nearly always one."""
    start = size = 0
    for position, document in enumerate(encoded):
        if size + len(document) > _COMMAND_BYTES_MAX and position > start:
            yield start, encoded[start:position]
            start, size = position, 0
        size += len(document)
    yield start, encoded[start:]
