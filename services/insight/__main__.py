"""Starts insight: the one place where its parts are made and joined."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from mesh import identity, logs, tracing
from mesh.callers import admission
from mesh.channel import open_channel
from mesh.lifecycle import run, stop_on_signal
from mesh.metrics import RpcMetrics, measure_process, serve_metrics
from mesh.server import Server
from mesh.telemetry import Telemetry
from services.insight.adapters.gemini_model import GeminiModel
from services.insight.adapters.ledger_feed import LedgerFeed
from services.insight.adapters.ledger_figures import LedgerFigures
from services.insight.adapters.ledger_work import LedgerWork
from services.insight.adapters.mongo import connect, database_of
from services.insight.adapters.mongo_cases import MongoCases
from services.insight.adapters.mongo_labels import MongoLabels
from services.insight.adapters.mongo_lease import MongoLease
from services.insight.adapters.mongo_model import MongoModel
from services.insight.adapters.mongo_profiles import MongoProfiles
from services.insight.adapters.mongo_reports import MongoReports
from services.insight.adapters.mongo_scores import MongoScores
from services.insight.adapters.mongo_spending import MongoSpending
from services.insight.adapters.report_pdf import to_pdf
from services.insight.advising import Adviser
from services.insight.bounded_model import BoundedModel
from services.insight.cache import CacheLimits, ProfileCache
from services.insight.circuit import Circuit, CircuitState
from services.insight.daily_reports import DailyReports
from services.insight.explaining import ExplainingLimits, ExplainingWorker
from services.insight.explaining_metrics import ExplainingMetrics
from services.insight.exporting import Exporter
from services.insight.following import ScorecardFollower
from services.insight.gate import Gate
from services.insight.gemini_explainer import GeminiExplainer
from services.insight.gemini_narrator import GeminiNarrator
from services.insight.judging import Jury
from services.insight.keeping import VectorKeeper
from services.insight.labelling import Labeller
from services.insight.labels import reasons_of
from services.insight.learning import Learner, LearningLimits
from services.insight.metrics import InsightMetrics
from services.insight.observed_model import ObservedModel
from services.insight.report_making import ReportMaker
from services.insight.reporting import Reporter
from services.insight.retracing import Retracer
from services.insight.saving import Saver
from services.insight.scoring import Scorer
from services.insight.settings import InsightSettings
from services.insight.spending import DayBudget, Prices, TokenBudget
from services.insight.whole_servicer import WholeServicer

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

_NAME = insight_pb2.DESCRIPTOR.services_by_name["InsightService"].full_name
_LEDGER = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name
_IDLE_S = 15.0
# Whose health says whether the model can be called: not serving while the circuit is not closed.
_GEMINI: Final = "gemini"
_CIRCUIT_LOOK_S: Final = 1.0
# How soon a replica scores by newer weights, once they are saved.
_SCORECARD_S: Final = 2.0


async def serve(settings: InsightSettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the calls that are here and save what was learnt.

    Raises:
        OSError: an address can't be bound.
        ValueError: MONGO_URL is not a MongoDB URL.
    """
    stop = stop_on_signal()
    registry = CollectorRegistry()
    told = Telemetry("insight", registry)
    log = logs.configure("insight", settings.log_level, also=told.lines)
    traces = tracing.configure("insight")
    own = identity.of(settings)
    measure_process(own, registry)
    admitted = admission(own, "insight", service=_NAME, callers=settings.callers)
    metrics = InsightMetrics(registry)

    mongo_url = settings.mongo_url.get_secret_value()
    mongo = connect(mongo_url, pool_min=settings.mongo_pool_min, pool_max=settings.mongo_pool_max)
    database = database_of(mongo, mongo_url)
    channel = open_channel(settings.ledger_target, service=_LEDGER, identity=own)
    ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
    learned = _learned(settings, database, ledger, metrics, log)
    gemini, stored, work = _gemini(settings, database, registry, traces), MongoReports(database), LedgerWork(ledger)
    narrator = GeminiNarrator(gemini.model, gemini.gate) if gemini is not None else None
    maker = ReportMaker(Reporter(LedgerFigures(ledger), narrator=narrator), stored, to_pdf=to_pdf)
    server = Server(
        services=[_NAME],
        reflect=not settings.production,
        streamed=["Score"],
        metrics=RpcMetrics(registry),
        admission=admitted,
    )
    scorer = learned.scorer
    insight_pb2_grpc.add_InsightServiceServicer_to_server(
        WholeServicer(
            scorer=scorer,
            adviser=Adviser(work),
            retracer=Retracer(learned.profiles, learned.scores, scorecard=lambda: scorer.scorecard),
            maker=maker,
            labeller=Labeller(learned.labels, days=settings.scores_days, observer=metrics),
            exporter=Exporter(MongoModel(database), scorecard=lambda: scorer.scorecard),
            tracing=traces,
            observer=metrics,
        ),
        server.handlers,
    )
    await _listen(server, settings, registry, log)
    explaining = _explaining(settings, work, gemini, server, log)
    async with explaining, _reporting(settings, maker, stored, log), _learning(learned, log):
        await stop.wait()
    await asyncio.gather(
        server.drain(notice_s=settings.drain_notice_s, grace_s=settings.drain_grace_s),
        learned.learner.close(grace_s=settings.drain_grace_s),
    )
    await learned.profiles.close()
    await channel.close()
    mongo.close()
    traces.shutdown()
    log.info("stopped")
    told.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learned:
    """What scores by what was learnt, and what learns."""

    profiles: ProfileCache
    scores: MongoScores
    labels: MongoLabels
    lease: MongoLease
    scorer: Scorer
    learner: Learner


def _learned(
    settings: InsightSettings,
    database: Database,
    ledger: ledger_pb2_grpc.LedgerServiceStub,
    metrics: InsightMetrics,
    log: FilteringBoundLogger,
) -> _Learned:
    store, owner = MongoProfiles(database), uuid.uuid4().hex
    limits = CacheLimits(
        profiles_max=settings.profiles_max, ttl_s=settings.profile_ttl_s, load_s_max=settings.load_budget_s
    )
    profiles = ProfileCache(store, limits, clock=time.monotonic, log=log)
    lease = MongoLease(database, owner=owner, lease_s=settings.lease_s)
    scores = MongoScores(database, days=settings.scores_days)
    labels = MongoLabels(database, scores, days=settings.scores_days)
    keeper = VectorKeeper(scores, kept=settings.scores_days > 0)
    saver = Saver(
        lease=lease,
        store=store,
        profiles=profiles,
        keeper=keeper,
        lease_s=settings.lease_s,
        idle_s=_IDLE_S,
        clock=time.monotonic,
        log=log,
    )
    learner = Learner(
        feed=LedgerFeed(ledger, log=log, fraud_reasons=reasons_of(settings.dispute_fraud_reasons)),
        saver=saver,
        profiles=profiles,
        keeper=keeper,
        labels=labels,
        jury=Jury(MongoCases(database, owner=owner), profiles=profiles, saver=saver, observer=metrics),
        limits=LearningLimits(flush_s=settings.flush_s, acquire_s=settings.lease_s / 3),
        log=log,
        observer=metrics,
    )
    return _Learned(
        profiles=profiles, scores=scores, labels=labels, lease=lease, scorer=Scorer(profiles), learner=learner
    )


@asynccontextmanager
async def _learning(learned: _Learned, log: FilteringBoundLogger) -> AsyncIterator[None]:
    """Learn while the context lasts, and score by the newest weights whoever learns."""
    learning = asyncio.create_task(learned.learner.run())
    follower = ScorecardFollower(learned.lease, learned.scorer, every_s=_SCORECARD_S, log=log)
    following = asyncio.create_task(follower.run())
    yield
    following.cancel()
    learning.cancel()
    with suppress(asyncio.CancelledError):
        await learning


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gemini:
    """The model within its bounds."""

    gate: Gate
    model: BoundedModel
    metrics: ExplainingMetrics


def _gemini(
    settings: InsightSettings, database: Database, registry: CollectorRegistry, traces: tracing.Tracing
) -> _Gemini | None:
    """Return the model that explains and narrates, None where the rules do."""
    if not settings.asks_gemini:
        return None
    circuit = Circuit(failures_max=settings.gemini_failures_max, open_s=settings.gemini_open_s, clock=time.monotonic)
    metrics = ExplainingMetrics(registry, circuit)
    gate = Gate(
        circuit=circuit,
        tokens=TokenBudget(settings.gemini_tokens_per_minute, clock=time.monotonic),
        day=DayBudget(
            MongoSpending(database),
            usd_max=settings.gemini_usd_per_day,
            prices=Prices(input_usd=settings.gemini_usd_input, output_usd=settings.gemini_usd_output),
        ),
        clock=time.monotonic,
    )
    plain = GeminiModel(
        api_key=settings.gemini_key.get_secret_value(), name=settings.gemini_model, endpoint=settings.gemini_endpoint
    )
    seen = ObservedModel(plain, name=settings.gemini_model, tracing=traces, observer=metrics)
    return _Gemini(gate=gate, model=BoundedModel(seen, gate, observer=metrics), metrics=metrics)


@asynccontextmanager
async def _explaining(
    settings: InsightSettings, work: LedgerWork, gemini: _Gemini | None, server: Server, log: FilteringBoundLogger
) -> AsyncIterator[None]:
    """Have payments explained by the model while the context lasts; without one the rules do it on read."""
    if gemini is None:
        yield
        return
    worker = ExplainingWorker(
        work,
        GeminiExplainer(gemini.model, timeout_s=settings.gemini_timeout_s),
        gemini.gate,
        ExplainingLimits(
            slots=settings.gemini_concurrency,
            batch_max=settings.gemini_batch_max,
            lease_s=settings.explain_lease_s,
            timeout_s=settings.gemini_timeout_s,
        ),
        observer=gemini.metrics,
        log=log,
    )
    worker.start()
    showing = asyncio.create_task(_show_circuit(server, gemini.gate.circuit))
    log.info("explaining", model=settings.gemini_model)
    yield
    showing.cancel()
    await worker.close(grace_s=settings.drain_grace_s)


@asynccontextmanager
async def _reporting(
    settings: InsightSettings, maker: ReportMaker, stored: MongoReports, log: FilteringBoundLogger
) -> AsyncIterator[None]:
    """Have the reports that are due stored while the context lasts."""
    if not settings.report_cron:
        yield
        return
    daily = asyncio.create_task(DailyReports(maker, stored, expression=settings.report_cron, log=log).run())
    yield
    daily.cancel()
    with suppress(asyncio.CancelledError):
        await daily


async def _show_circuit(server: Server, circuit: Circuit) -> None:
    while True:
        await server.report(_GEMINI, healthy=circuit.state is CircuitState.CLOSED)
        await asyncio.sleep(_CIRCUIT_LOOK_S)


async def _listen(
    server: Server, settings: InsightSettings, registry: CollectorRegistry, log: FilteringBoundLogger
) -> None:
    serve_metrics(settings.metrics_bind, registry)
    # Healthy at once: what MongoDB or the ledger can't tell now only makes scores plainer.
    port_bound = await server.start(settings.bind)
    await server.start_health(settings.health_bind)
    await server.set_healthy(healthy=True)
    log.info("listening", address=f"{settings.bind.rpartition(':')[0]}:{port_bound}", pid=os.getpid())


def main() -> None:
    """Run insight as its environment says."""
    run("insight", lambda: serve(InsightSettings.load()), serves_calls=True)


if __name__ == "__main__":
    main()
