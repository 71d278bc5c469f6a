"""The work of each process on one batch, without network and database: real code from bytes to bytes.

What the next hop says is what its real code said to the same batch the first time. So a stage's time is Python's alone,
and a change of it shows at once, also on a machine that has other things to do.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from autopay.ingest.v1 import ingest_pb2
from autopay.insight.v1 import insight_pb2
from autopay.ledger.v1 import ledger_pb2
from bson import decode, encode
from prometheus_client import CollectorRegistry

from mesh import logs
from mesh.tracing import Tracing
from providers import registry
from services.ingest.adapters.event_message import encode as encode_event
from services.ingest.adapters.insight_client import InsightScorer
from services.ingest.adapters.ledger_client import LedgerClient
from services.ingest.intake import Budgets
from services.ingest.intake import Intake as IngestIntake
from services.ingest.mappings import Mappings
from services.ingest.metrics import IngestMetrics
from services.ingest.servicer import IngestServicer
from services.insight.cache import CacheLimits, ProfileCache
from services.insight.scoring import Scorer
from services.insight.servicer import InsightServicer
from services.ledger.adapters import changes
from services.ledger.adapters.documents import CODEC
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.adapters.payment_messages import render
from services.ledger.ports import Inserted
from services.ledger.record_servicer import RecordServicer
from services.ledger.recording import Recorder
from services.ledger.spans import SpanMaker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from services.insight.model import Risk
    from services.insight.profile import ProfileState
    from services.ledger.model import Item, ItemResult

UNTRACED: Final = Tracing(None, ratio=0)
_SCORE_S: Final = 1.0
_RECORD_S: Final = 1.0
_TOKEN: Final = "82" + "0" * 60


class Instant:
    """A channel whose calls are answered at once; the first one with so many items is answered by `ask`."""

    def __init__(self, ask: Callable[[bytes], Awaitable[bytes]], count: Callable[[Any], int]) -> None:
        """Answer by `ask`; `count` says how many items a request has."""
        self._ask = ask
        self._count = count
        self._answers: dict[int, bytes] = {}
        self.request = b""

    def unary_unary(
        self, _method: str, request_serializer: Any, response_deserializer: Any, **_registered: object
    ) -> Callable[..., Awaitable[Any]]:
        """Return what calls the method."""

        async def call(request: Any, timeout: float = 0.0) -> Any:
            del timeout
            count = self._count(request)
            raw = request_serializer(request)
            if count not in self._answers:
                self.request = raw
                self._answers[count] = await self._ask(raw)
            return response_deserializer(self._answers[count])

        return call

    def stream_stream(self, method: str, **codec: Any) -> Callable[..., _InstantStream]:
        """Return what opens a stream of calls to the method."""
        call = self.unary_unary(method, **codec)
        return lambda **_options: _InstantStream(call)


class _InstantStream:
    """A stream whose answer is there before it is waited for."""

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        self._call = call
        self._answer: Any = None

    def done(self) -> bool:
        return False

    async def write(self, request: Any) -> None:
        self._answer = await self._call(request)

    async def read(self) -> Any:
        return self._answer

    async def done_writing(self) -> None:
        pass

    async def code(self) -> None:
        pass


class _Context:
    def time_remaining(self) -> float:
        return _RECORD_S + _SCORE_S


class Ledger:
    """Recording, with a store that takes everything for new and keeps what it was given last."""

    def __init__(self) -> None:
        """Store nothing yet."""
        self._payments = _Payments()
        recorder = Recorder(
            self._payments,
            _Deliveries(),
            clock_ms=lambda: int(time.time() * 1000),
            spans=SpanMaker(UNTRACED),
        )
        self._servicer = RecordServicer(_Unqueued(recorder))  # type: ignore[arg-type]  # all it needs

    async def record(self, raw: bytes) -> bytes:
        """Answer a Record call."""
        request = ledger_pb2.RecordRequest.FromString(raw)
        return (await self._servicer.Record(request, _Context())).SerializeToString()  # type: ignore[arg-type]

    def entries(self) -> bytes:
        """Return the change stream's batch of what was recorded last, as MongoDB would send it."""
        batch = [{"_id": {"_data": _TOKEN}, "now": _projected(decode(raw))} for raw in self._payments.last]
        return encode({"batch": batch})

    @staticmethod
    def tell(entries: bytes) -> bytes:
        """Make watchers' message of a batch of the change stream."""
        told = [changes.to_change(entry) for entry in decode(entries, CODEC)["batch"]]
        return render([change for change in told if change is not None], _TOKEN).SerializeToString()


class Insight:
    """Scoring by accounts of whom nothing is known, which takes as long."""

    def __init__(self) -> None:
        """Know nobody."""
        log = logs.configure("bench", "error")
        profiles = ProfileCache(_NoProfiles(), CacheLimits(), clock=time.monotonic, log=log)
        profiles.reset(learning=True)
        self._servicer = InsightServicer(Scorer(profiles), tracing=UNTRACED, observer=_Unobserved())

    async def score(self, raw: bytes) -> bytes:
        """Answer a Score call."""
        request = insight_pb2.ScoreRequest.FromString(raw)
        return (await self._servicer.Score(request, _Context())).SerializeToString()  # type: ignore[arg-type]


class Ingest:
    """Taking in, with an insight and a ledger that answer at once."""

    def __init__(self, insight: Insight, ledger: Ledger) -> None:
        """Ask these two once."""
        self.scores = Instant(insight.score, lambda request: len(request.items))
        self.records = Instant(ledger.record, lambda request: len(request.items))
        intake = IngestIntake(
            Mappings(registry.load()),
            encode_event,
            InsightScorer(self.scores),  # type: ignore[arg-type]  # all it needs
            LedgerClient(self.records),  # type: ignore[arg-type]  # all it needs
            budgets=Budgets(score_s=_SCORE_S, record_s=_RECORD_S),
            tracing=UNTRACED,
            metrics=IngestMetrics(CollectorRegistry()),
            log=logs.configure("bench", "error"),
        )
        self._servicer = IngestServicer(intake)

    async def ingest(self, raw: bytes) -> bytes:
        """Answer an Ingest call."""
        request = ingest_pb2.IngestRequest.FromString(raw)
        return (await self._servicer.Ingest(request, _Context())).SerializeToString()  # type: ignore[arg-type]


def _projected(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the change stream's pipeline leaves of an inserted payment."""
    kept = {name: document[name] for name in changes.KEPT if name in document}
    return {**kept, "risk_level": document.get("risk", {}).get("level"), "events": document["events"]}


class _Payments(MongoPayments):
    def __init__(self) -> None:
        self.last: Sequence[bytes] = ()

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        await asyncio.sleep(0)
        self.last = encoded
        return Inserted(existing=frozenset(), unstorable=frozenset())


class _Deliveries(MongoDeliveries):
    def __init__(self) -> None:
        self._keys = None

    async def insert_new(self, encoded: Sequence[bytes]) -> Inserted:
        del encoded
        await asyncio.sleep(0)
        return Inserted(existing=frozenset(), unstorable=frozenset())


class _Unqueued:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def record(self, items: Sequence[Item], *, size: int) -> Sequence[ItemResult]:
        del size
        return await self._recorder.record(items)


class _NoProfiles:
    async def load(self, keys: Sequence[str]) -> Mapping[str, ProfileState]:
        del keys
        return {}

    async def page(self, after: str, *, count: int) -> Sequence[tuple[str, ProfileState]]:
        del after, count
        return ()

    async def save(self, states: Sequence[tuple[str, ProfileState]]) -> None:
        del states


class _Unobserved:
    def scored(self, risks: Sequence[Risk]) -> None:
        """Nobody counts."""
