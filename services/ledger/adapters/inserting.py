"""One unordered insert of encoded documents, with every way it can end told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, PyMongoError

from services.ledger.model import NotDurable
from services.ledger.ports import Inserted

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

_DUPLICATE_KEY: Final = 11000
# What the server refuses about a document itself: validation, too large, bad value, malformed key.
_DOCUMENT_REFUSED: Final = frozenset({121, 10334, 2, 9, 17280, 17419, 52, 57})
_ALL: Final = Inserted(existing=frozenset(), unstorable=frozenset())


async def insert_encoded(collection: AsyncIOMotorCollection[dict[str, Any]], encoded: Sequence[bytes]) -> Inserted:
    """Insert documents that may exist.

    Raises:
        NotDurable: any write concern error (each item's outcome is unknown then, whatever the rest of the answer says),
            an error that is neither a duplicate nor about one document, or no answer.
    """
    try:
        await collection.insert_many([RawBSONDocument(document) for document in encoded], ordered=False)
    except BulkWriteError as error:
        return _told_apart(error)
    except PyMongoError as error:
        raise NotDurable(str(error)) from error
    return _ALL


def _told_apart(error: BulkWriteError) -> Inserted:
    details = error.details
    if details.get("writeConcernErrors"):
        raise NotDurable("write concern not met") from error
    existing, unstorable = set(), set()
    for problem in details.get("writeErrors", ()):
        if problem["code"] == _DUPLICATE_KEY:
            existing.add(problem["index"])
        elif problem["code"] in _DOCUMENT_REFUSED:
            unstorable.add(problem["index"])
        else:
            raise NotDurable(str(problem.get("errmsg", "write error"))) from error
    return Inserted(existing=frozenset(existing), unstorable=frozenset(unstorable))
