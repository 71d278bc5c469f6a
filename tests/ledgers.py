"""A real ledger for tests: its servicers over gRPC on a free port, on a real MongoDB."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import money_pb2, payment_pb2, risk_pb2

from mesh import tracing
from mesh.server import Server
from services.ledger.adapters import mongo
from services.ledger.adapters.audit import MongoAudit
from services.ledger.adapters.change_feed import MongoChangeFeed
from services.ledger.adapters.migrations import Migrator
from services.ledger.adapters.mongo_analyses import MongoAnalyses
from services.ledger.adapters.mongo_custody import MongoCustody
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.adapters.mongo_quarantine import MongoQuarantine
from services.ledger.adapters.mongo_reads import MongoPaymentReads
from services.ledger.adapters.mongo_summaries import MongoSummaries
from services.ledger.adapters.payment_messages import render
from services.ledger.adapters.retention import Retention
from services.ledger.adapters.steps import steps
from services.ledger.analysing import Analysing
from services.ledger.analysis_policy import policy
from services.ledger.auditing import Auditor
from services.ledger.change_hub import ChangeHub, WatchLimits
from services.ledger.correcting import Corrector
from services.ledger.custody import Custodian
from services.ledger.intake import Intake
from services.ledger.paging import PageTokens
from services.ledger.quarantine import Quarantine
from services.ledger.reading import Reader
from services.ledger.recording import Recorder
from services.ledger.sealing import KeyRing
from services.ledger.servicer import SERVICE, LedgerServicer
from services.ledger.settling import Settler
from services.ledger.spans import SpanMaker
from services.ledger.summarizing import Summarizer
from services.ledger.watching import Watching

BUDGET_S = 5.0
TIMEOUT_S = 30.0

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningLedger:
    """A ledger that is running: a stub to call it, and its database to look behind it."""

    target: str
    stub: ledger_pb2_grpc.LedgerServiceStub
    hub: ChangeHub[Any]
    database: Any

    async def record(self, *events: payment_pb2.PaymentEvent, risk: int = 0, source: str = "autopay") -> None:
        """Record events, each as an item of its own, in calls of 256; every one has to become durable."""
        items = [recorded(event, risk=risk, source=source) for event in events]
        for start in range(0, len(items), 256):
            request = ledger_pb2.RecordRequest(items=items[start : start + 256])
            answer = await self.stub.Record(request, timeout=TIMEOUT_S)
            assert not any(result.HasField("error") for result in answer.results), answer


def recorded(event: payment_pb2.PaymentEvent, *, risk: int = 0, source: str = "autopay") -> ledger_pb2.RecordItem:
    """An item of one event stated by a service."""
    wrapped = ledger_pb2.RecordEvent(event=event)
    if risk:
        wrapped.risk.CopyFrom(risk_pb2.Risk(score=risk / 5, level=risk, model_version="1"))  # type: ignore[arg-type]
    return ledger_pb2.RecordItem(delivery_id=f"d-{next(_numbers)}", source=source, events=[wrapped])


def captured(tx_id: str, minor_units: int = 1_000, currency: str = "EUR", **fields: Any) -> payment_pb2.PaymentEvent:
    """A payment's capture of its own amount, from `alice` to `shop` unless said otherwise."""
    return _event(
        tx_id,
        payment_pb2.EVENT_KIND_CAPTURED,
        minor_units,
        currency,
        **{"amount_fixed": True, "sender_account": "alice", "receiver_account": "shop", **fields},
    )


def refunded(tx_id: str, minor_units: int, currency: str = "EUR", **fields: Any) -> payment_pb2.PaymentEvent:
    """A refund, each one of its own unless `object_id` says otherwise."""
    return _event(tx_id, payment_pb2.EVENT_KIND_REFUNDED, minor_units, currency, **fields)


def _event(tx_id: str, kind: Any, minor_units: int, currency: str, **fields: Any) -> payment_pb2.PaymentEvent:
    exponent = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}[currency]
    return payment_pb2.PaymentEvent(
        tx_id=tx_id,
        event_id=fields.pop("event_id", f"e-{next(_numbers)}"),
        kind=kind,
        amount=money_pb2.Money(minor_units=minor_units, currency=currency, exponent=exponent),
        event_time_ms=fields.pop("event_time_ms", clock_ms()),
        event_time_signed=True,
        **fields,
    )


@asynccontextmanager
async def running_ledger(
    url: str,
    *,
    limits: WatchLimits | None = None,
    bind: str = "127.0.0.1:0",
    reflect: bool = False,
    keys: KeyRing | None = None,
    analysis_policy: str = "off",
    budget_s: float = BUDGET_S,
) -> AsyncIterator[RunningLedger]:
    """Run a ledger on a database while the context lasts; bodies are sealed under `keys`."""
    clients = [mongo.connect(url, pool_min=1, pool_max=10, budget_s=budget_s) for _ in range(3)]
    writes, reads, changes = (mongo.database_of(client, url) for client in clients)
    patient = mongo.connect_patiently(url)
    await Migrator(mongo.database_of(patient, url), steps(retention=Retention(days=0)), owner="tests").make_ready()
    patient.close()
    payments = MongoPayments(mongo.durable(writes, "transactions", wtimeout_s=budget_s))
    deliveries = mongo.durable(writes, "deliveries", wtimeout_s=budget_s)
    tokens = PageTokens(b"k" * 32)
    recorder = Recorder(
        payments,
        MongoDeliveries(deliveries, keys),
        clock_ms=clock_ms,
        spans=SpanMaker(tracing.configure("ledger")),
        selects=policy(analysis_policy),
    )
    feed = MongoChangeFeed(changes, silence_ms=300)
    hub = ChangeHub(feed, render, limits)
    reader = Reader(MongoPaymentReads(reads["transactions"], budget_s=budget_s), tokens, clock_ms=clock_ms)
    intake = Intake(recorder, budget_s=budget_s, inflight_max=2)
    server = Server(services=[SERVICE], reflect=reflect)
    summarizer = Summarizer(MongoSummaries(reads["transactions"], budget_s=budget_s))
    auditor = Auditor(MongoAudit(mongo.durable(writes, "audit", wtimeout_s=budget_s)), clock_ms=clock_ms)
    servicer = LedgerServicer(
        intake=intake,
        reader=reader,
        summarizer=summarizer,
        watching=Watching(feed, hub, render),
        quarantine=Quarantine(
            MongoQuarantine(deliveries, budget_s=budget_s, keys=keys),
            Corrector(payments, Settler(payments)),
            tokens,
            clock_ms=clock_ms,
            log=structlog.get_logger(),
        ),
        analysing=Analysing(
            MongoAnalyses(mongo.durable(writes, "transactions", wtimeout_s=budget_s)), log=structlog.get_logger()
        ),
        custodian=Custodian(MongoCustody(deliveries, keys), reader, auditor, clock_ms=clock_ms),
        auditor=auditor,
    )
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(servicer, server.handlers)
    target = f"127.0.0.1:{await server.start(bind)}"
    await server.set_healthy(healthy=True)
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            yield RunningLedger(target=target, stub=stub, hub=hub, database=reads)
    finally:
        await hub.close()
        await server.drain(notice_s=0, grace_s=1)
        await intake.close(grace_s=1)
        for client in clients:
            client.close()


def clock_ms() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


async def first_changes(
    stream: Any, count: int
) -> tuple[Sequence[ledger_pb2.TransactionChange], Sequence[ledger_pb2.WatchTransactionsResponse]]:
    """The first so many changes of a stream, and the messages they came in."""
    changes: list[ledger_pb2.TransactionChange] = []
    messages: list[ledger_pb2.WatchTransactionsResponse] = []
    while len(changes) < count:
        message = await stream.read()
        assert message is not grpc.aio.EOF
        messages.append(message)
        changes.extend(message.changes)
    return changes, messages
