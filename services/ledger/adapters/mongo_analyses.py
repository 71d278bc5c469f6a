"""The port `AnalysisQueue` in the payments' own documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING, ReturnDocument, UpdateOne
from pymongo.errors import PyMongoError

from services.ledger.adapters.analysis_documents import STATES, of_analysis
from services.ledger.adapters.documents import is_too_new, to_payment
from services.ledger.analysing import Task
from services.ledger.analysis import ATTEMPTS_MAX, Analysis, AnalysisState
from services.ledger.model import NotDurable
from services.ledger.read_ports import Found

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorCollection

_STATES: Final = {name: state for state, name in STATES.items()}
_RAN_OUT: Final = "the lease of the last attempt ran out"
_PAUSE_MS: Final = 5_000
_SPENT: Final = {"$gte": ["$analysis.attempts", ATTEMPTS_MAX]}


class MongoAnalyses:
    """Each queued payment holds its own place in the queue: `analysis.due` says from when it may be taken."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        """Use the payments' collection, made by `mongo.durable`."""
        self._collection = collection

    async def lease(self, *, count_max: int, lease_ms: int, token: str, worker: str) -> Sequence[Task]:
        """Hand out tasks that are due."""
        try:
            cursor = self._collection.find(
                {"analysis.due": {"$exists": True}},
                {"analysis.due": 1, "analysis.attempts": 1, "now": "$$NOW"},
                sort=[("analysis.due", ASCENDING)],
                limit=count_max,
                hint="analysis_due",
            )
            due = [each for each in await cursor.to_list(count_max) if each["analysis"]["due"] <= each["now"]]
            if not due:
                return ()
            taken = _taken(lease_ms, token, worker)
            await self._collection.bulk_write([_lease(each, taken) for each in due], ordered=False)
            ids = [each["_id"] for each in due]
            documents = await self._collection.find(
                {"_id": {"$in": ids}, "analysis.lease.token": token}, sort=[("recorded_at", ASCENDING)]
            ).to_list(len(ids))
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        # What a newer version wrote is for its replicas: the lease runs out, and one of them takes it.
        return [_task(document) for document in documents if not is_too_new(document)]

    async def complete(
        self, payment_id: str, token: str, result: Analysis | str, *, final: bool
    ) -> AnalysisState | None:
        """Store what came of a task."""
        change = _failed(token, result, final=final) if isinstance(result, str) else _done(token, result)
        try:
            document: Any = await self._collection.find_one_and_update(
                {"_id": payment_id, "analysis.lease.token": token},
                [{"$set": change}],
                projection={"analysis": 1},
                return_document=ReturnDocument.AFTER,
            )
            if document is None:
                document = await self._collection.find_one(
                    {"_id": payment_id, "analysis.completed.token": token}, {"analysis": 1}
                )
        except PyMongoError as error:
            raise NotDurable(str(error)) from error
        # Asked again, it is what this completion made of it, whatever has become of it since.
        return None if document is None else _STATES[document["analysis"]["completed"]["state"]]


def _taken(lease_ms: int, token: str, worker: str) -> Sequence[Mapping[str, Any]]:
    until = {"$add": ["$$NOW", lease_ms]}
    return [
        {
            "$set": {
                "analysis.state": STATES[AnalysisState.LEASED],
                "analysis.attempts": {"$add": ["$analysis.attempts", 1]},
                "analysis.lease": {"token": token, "worker": {"$literal": worker}, "until": until},
                "analysis.due": until,
            }
        }
    ]


_PARKED: Final = [
    {
        "$set": {
            "analysis.state": STATES[AnalysisState.PARKED],
            "analysis.error": _RAN_OUT,
            "analysis.lease": "$$REMOVE",
            "analysis.due": "$$REMOVE",
        }
    }
]


def _lease(due: Mapping[str, Any], taken: Sequence[Mapping[str, Any]]) -> UpdateOne:
    analysis = due["analysis"]
    # Whoever took it first has moved its time.
    condition = {"_id": due["_id"], "analysis.due": analysis["due"]}
    return UpdateOne(condition, _PARKED if analysis["attempts"] >= ATTEMPTS_MAX else list(taken))


def _done(token: str, result: Analysis) -> Mapping[str, Any]:
    done = STATES[AnalysisState.DONE]
    return {
        "analysis.state": done,
        "analysis.result": {"$literal": of_analysis(result)},
        "analysis.done_at": "$$NOW",
        "analysis.completed": {"token": token, "state": done},
        "analysis.lease": "$$REMOVE",
        "analysis.due": "$$REMOVE",
        "analysis.error": "$$REMOVE",
    }


def _failed(token: str, error: str, *, final: bool) -> Mapping[str, Any]:
    over = final or _SPENT
    state = {"$cond": [over, STATES[AnalysisState.PARKED], STATES[AnalysisState.QUEUED]]}
    pause = {"$multiply": [_PAUSE_MS, {"$pow": [2, {"$subtract": ["$analysis.attempts", 1]}]}]}
    return {
        "analysis.state": state,
        "analysis.error": {"$literal": error},
        "analysis.completed": {"token": token, "state": state},
        "analysis.lease": "$$REMOVE",
        "analysis.due": {"$cond": [over, "$$REMOVE", {"$add": ["$$NOW", pause]}]},
    }


def _task(document: Mapping[str, Any]) -> Task:
    payment = to_payment(document)
    spilled = payment.spilled.count if payment.spilled is not None else 0
    analysis = document["analysis"]
    return Task(
        found=Found(payment=payment, event_count=len(payment.events) + spilled),
        until_ms=int(analysis["lease"]["until"]),
        attempt=int(analysis["attempts"]),
    )
