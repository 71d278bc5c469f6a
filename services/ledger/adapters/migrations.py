"""Changes of what is stored, made while the ledger serves: in order, once, by one replica at a time.

Each step is idempotent and may stop anywhere: a replica that dies in the middle leaves a lease that runs out, and the
next one starts the step again. Which steps are done stands in `ledger_state`, one document that is also the lease,
timed by the server's clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection, AsyncIOMotorDatabase

    Database = AsyncIOMotorDatabase[dict[str, Any]]

_log = logging.getLogger(__name__)

COLLECTION: Final = "ledger_state"
_ID: Final = "migrations"
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_POLL_S_MAX: Final = 1.0


class LeaseLost(Exception):  # noqa: N818 - a state of the world, not a bug
    """Another replica migrates now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change.

    Attributes:
        name: never given to another step, and never changed.
        run: makes the change; doing so again, or going on where another run stopped, is harmless.
        required: whether a replica takes calls only once it is done; else it is made while they are taken.
        missing: asked at every start, whether the change is to be made again though it was done before: an index may
            have been dropped by hand.
    """

    name: str
    run: Callable[[Database], Awaitable[None]]
    required: bool = True
    missing: Callable[[Database], Awaitable[bool]] | None = None


class Migrator:
    """Makes the changes that were not made yet."""

    def __init__(self, database: Database, steps: Sequence[Step], *, owner: str, lease_s: float = 15.0) -> None:
        """Change `database` as `owner`, which no other process calls itself.

        Its client needs a socket timeout longer than any step, and writes that are majority and journaled.
        """
        self._database = database
        self._steps = tuple(steps)
        self._lease = MigrationLease(database[COLLECTION], owner=owner, lease_s=lease_s)
        self._poll_s = min(lease_s / 5, _POLL_S_MAX)
        self._renew_s = lease_s / 3

    async def make_ready(self) -> None:
        """Return once every required step is done, whoever did it.

        Raises:
            PyMongoError: MongoDB can't be used now.
        """
        # In order: what stands before a required step is made before it.
        needed = max((place for place, step in enumerate(self._steps, start=1) if step.required), default=0)
        await self._make(self._steps[:needed])

    async def finish(self) -> None:
        """Return once every step is done, whoever did it.

        Raises:
            PyMongoError: MongoDB can't be used now.
        """
        await self._make(self._steps)

    async def _make(self, steps: Sequence[Step]) -> None:
        while pending := await self._pending(steps):
            if not await self._lease.take():
                # Another replica is at it.
                await asyncio.sleep(self._poll_s)
                continue
            try:
                # What was pending a moment ago may have been done by who held the lease until now.
                for step in await self._pending(steps):
                    await self._run(step)
            except LeaseLost:
                _log.warning("another replica migrates now: %s is left to it", pending[0].name)
            finally:
                with suppress(PyMongoError):
                    await self._lease.release()

    async def _pending(self, steps: Sequence[Step]) -> list[Step]:
        done = await self._lease.done()
        return [step for step in steps if step.name not in done or await self._is_missing(step)]

    async def _is_missing(self, step: Step) -> bool:
        return step.missing is not None and await step.missing(self._database)

    async def _run(self, step: Step) -> None:
        """Make one change while the lease is prolonged, and note that it is done."""
        _log.info("migration %s starts", step.name)
        work = asyncio.ensure_future(step.run(self._database))
        try:
            while not (await asyncio.wait({work}, timeout=self._renew_s))[0]:
                if not await self._lease.take():
                    raise LeaseLost
            await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        if not await self._lease.note(step.name):
            raise LeaseLost
        _log.info("migration %s is done", step.name)


class MigrationLease:
    """Who migrates now, until when, and what is done."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]], *, owner: str, lease_s: float) -> None:
        """Hold it as `owner` for `lease_s` at a time."""
        self._collection = collection
        self._owner = owner
        self._lease_ms = int(lease_s * 1000)

    async def done(self) -> frozenset[str]:
        """Return the names of the steps that are done."""
        document = await self._collection.find_one({"_id": _ID}, {"done": 1})
        return frozenset(document.get("done", ())) if document is not None else frozenset()

    async def take(self) -> bool:
        """Take or prolong the lease for its full time; False while another replica holds it."""
        try:
            document = await self._collection.find_one_and_update(
                {"_id": _ID}, self._claim(), upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            # Two replicas made the document at once, and the other was first.
            return False
        return bool(document["owner"] == self._owner)

    async def note(self, name: str) -> bool:
        """Note that a step is done; False, with nothing noted, where the lease is no longer ours."""
        result = await self._collection.update_one({"_id": _ID, "owner": self._owner}, {"$addToSet": {"done": name}})
        return result.matched_count == 1

    async def release(self) -> None:
        """Give the lease back at once, if it is ours."""
        await self._collection.update_one(
            {"_id": _ID, "owner": self._owner}, {"$set": {"owner": "", "until": _LONG_AGO}}
        )

    def _claim(self) -> list[dict[str, Any]]:
        """Return the update that takes a lease which is ours or has ended, and leaves another's alone."""
        free = {
            "$or": [
                {"$eq": ["$owner", self._owner]},
                {"$lte": [{"$ifNull": ["$until", _LONG_AGO]}, "$$NOW"]},
            ]
        }
        return [
            {
                "$set": {
                    "owner": {"$cond": [free, self._owner, "$owner"]},
                    "until": {"$cond": [free, {"$add": ["$$NOW", self._lease_ms]}, "$until"]},
                }
            }
        ]
