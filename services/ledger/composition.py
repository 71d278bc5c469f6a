"""What the ledger is composed of: its clients of MongoDB, and what records and answers with them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

import structlog
from autopay.ledger.v1 import ledger_pb2

from services.ledger.adapters import mongo
from services.ledger.adapters.audit import COLLECTION as AUDIT
from services.ledger.adapters.audit import MongoAudit
from services.ledger.adapters.mongo_analyses import MongoAnalyses
from services.ledger.adapters.mongo_custody import MongoCustody
from services.ledger.adapters.mongo_deliveries import COLLECTION as DELIVERIES
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import COLLECTION as PAYMENTS
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.adapters.mongo_quarantine import MongoQuarantine
from services.ledger.adapters.mongo_reads import MongoPaymentReads
from services.ledger.adapters.mongo_summaries import MongoSummaries
from services.ledger.analysing import Analysing
from services.ledger.analysis_policy import policy
from services.ledger.auditing import Auditor
from services.ledger.correcting import Corrector
from services.ledger.custody import Custodian
from services.ledger.intake import Intake
from services.ledger.paging import PageTokens
from services.ledger.quarantine import Quarantine
from services.ledger.reading import Reader
from services.ledger.recording import Recorder
from services.ledger.sealing import KeyRing, parse_keys
from services.ledger.servicer import LedgerServicer
from services.ledger.settings import LedgerSettings
from services.ledger.settling import Settler
from services.ledger.spans import SpanMaker
from services.ledger.summarizing import Summarizer
from services.ledger.watching import Watching


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """The database over a client each, for an idle stream must not hold a writer's thread.

    Attributes:
        writes: within the budget of a write.
        reads: within the budget of a read.
        changes: the change stream.
        patient: what has to be there before the first call, and waits for it.
    """

    writes: mongo.Database
    reads: mongo.Database
    changes: mongo.Database
    patient: mongo.Database

    def close(self) -> None:
        """Close every client."""
        for database in (self.writes, self.reads, self.changes, self.patient):
            database.client.close()


def databases_of(settings: LedgerSettings) -> Databases:
    """Connect with every client; what a URL can't say is a ValueError."""
    url = settings.mongo_url.get_secret_value()
    return Databases(
        writes=_database(settings, settings.write_budget_s),
        reads=_database(settings, settings.read_budget_s),
        changes=_database(settings, settings.write_budget_s),
        patient=mongo.database_of(mongo.connect_patiently(url), url),
    )


def _database(settings: LedgerSettings, budget_s: float) -> mongo.Database:
    url = settings.mongo_url.get_secret_value()
    client = mongo.connect(
        url,
        pool_min=settings.mongo_pool_min,
        pool_max=settings.mongo_pool_max,
        budget_s=budget_s,
    )
    return mongo.database_of(client, url)


def keys_of(settings: LedgerSettings) -> KeyRing | None:
    """Return the keys that bodies are sealed with, None where they are stored as they came."""
    keys = parse_keys(settings.body_keys.get_secret_value())
    return KeyRing(keys, random=secrets.token_bytes) if keys else None


def recorder_of(database: mongo.Database, settings: LedgerSettings, spans: SpanMaker, keys: KeyRing | None) -> Recorder:
    """Return what records batches; `keys` seal the bodies it stores."""
    budget_s = settings.write_budget_s
    return Recorder(
        MongoPayments(mongo.durable(database, PAYMENTS, wtimeout_s=budget_s)),
        MongoDeliveries(mongo.durable(database, DELIVERIES, wtimeout_s=budget_s), keys),
        clock_ms=_clock_ms,
        spans=spans,
        selects=policy(settings.analysis_policy),
    )


def servicer_of(
    settings: LedgerSettings,
    databases: Databases,
    *,
    intake: Intake,
    watching: Watching[ledger_pb2.WatchTransactionsResponse],
    keys: KeyRing | None,
    log: structlog.typing.FilteringBoundLogger,
) -> LedgerServicer:
    """Return what answers every call, with `intake` and `watching`, which end with the process."""
    writes, write_s, read_s = databases.writes, settings.write_budget_s, settings.read_budget_s
    payments = databases.reads[PAYMENTS]
    tokens = PageTokens(settings.page_token_key.get_secret_value().encode() or secrets.token_bytes(32))
    reader = Reader(MongoPaymentReads(payments, budget_s=read_s), tokens, clock_ms=_clock_ms)
    auditor = Auditor(MongoAudit(mongo.durable(writes, AUDIT, wtimeout_s=write_s)), clock_ms=_clock_ms)
    raw = MongoCustody(mongo.durable(writes, DELIVERIES, wtimeout_s=write_s), keys)
    return LedgerServicer(
        intake=intake,
        reader=reader,
        summarizer=Summarizer(MongoSummaries(payments, budget_s=read_s)),
        watching=watching,
        quarantine=_quarantine(writes, settings, tokens, keys, log),
        analysing=Analysing(MongoAnalyses(mongo.durable(writes, PAYMENTS, wtimeout_s=write_s)), log=log),
        custodian=Custodian(raw, reader, auditor, clock_ms=_clock_ms),
        auditor=auditor,
    )


def _quarantine(
    database: mongo.Database,
    settings: LedgerSettings,
    tokens: PageTokens,
    keys: KeyRing | None,
    log: structlog.typing.FilteringBoundLogger,
) -> Quarantine:
    budget_s = settings.write_budget_s
    payments = MongoPayments(mongo.durable(database, PAYMENTS, wtimeout_s=budget_s))
    deliveries = mongo.durable(database, DELIVERIES, wtimeout_s=budget_s)
    return Quarantine(
        MongoQuarantine(deliveries, budget_s=budget_s, keys=keys),
        Corrector(payments, Settler(payments, policy(settings.analysis_policy))),
        tokens,
        clock_ms=_clock_ms,
        log=log,
    )


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
