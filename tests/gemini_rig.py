"""Explaining as the process does it, put together for tests: worker, explainer, bounds, a model."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry

from services.insight.bounded_model import BoundedModel
from services.insight.circuit import Circuit
from services.insight.explaining import ExplainingLimits, ExplainingWorker
from services.insight.explaining_metrics import ExplainingMetrics
from services.insight.explanation import Subject
from services.insight.gate import Gate
from services.insight.gemini_explainer import GeminiExplainer
from services.insight.model import Level, Reason, Risk
from services.insight.model_ports import AnalysisQueue, GenerativeModel
from services.insight.ports import StoreDown
from services.insight.spending import DayBudget, Prices, TokenBudget

PRICES = Prices(input_usd=0.3, output_usd=2.5)
LOG = structlog.get_logger()


class MemoryBook:
    """A SpendBook in memory, which can be away."""

    def __init__(self) -> None:
        """Nothing is spent."""
        self.days: dict[str, int] = {}
        self.away = False

    async def spent(self, day: str) -> int:
        """What was spent."""
        self._check()
        return self.days.get(day, 0)

    async def reserve(self, day: str, nano_usd: int, *, most: int) -> bool:
        """Add unless it is too much."""
        self._check()
        if self.days.get(day, 0) + nano_usd > most:
            return False
        self.days[day] = self.days.get(day, 0) + nano_usd
        return True

    async def settle(self, day: str, nano_usd: int) -> None:
        """Add a difference."""
        self._check()
        self.days[day] += nano_usd

    def _check(self) -> None:
        if self.away:
            raise StoreDown("away")


@dataclass(kw_only=True)
class Rig:
    """The parts of explaining around a model."""

    model: GenerativeModel
    timeout_s: float = 5.0
    failures_max: int = 50
    open_s: float = 0.2
    usd_max: float = 5.0
    per_minute: int = 1_000_000
    book: MemoryBook = field(default_factory=MemoryBook)

    def __post_init__(self) -> None:
        """Join them."""
        self.circuit = Circuit(failures_max=self.failures_max, open_s=self.open_s, clock=time.monotonic)
        self.registry = CollectorRegistry()
        self.metrics = ExplainingMetrics(self.registry, self.circuit)
        self.tokens = TokenBudget(self.per_minute, clock=time.monotonic)
        self.gate = Gate(
            circuit=self.circuit,
            tokens=self.tokens,
            day=DayBudget(self.book, usd_max=self.usd_max, prices=PRICES, today=lambda: "day"),
            clock=time.monotonic,
        )
        self.bounded = BoundedModel(self.model, self.gate, observer=self.metrics)
        self.explainer = GeminiExplainer(self.bounded, timeout_s=self.timeout_s)

    @asynccontextmanager
    async def working(
        self, queue: AnalysisQueue, *, slots: int = 1, batch_max: int = 8, lease_s: float = 20.0
    ) -> AsyncIterator[ExplainingWorker]:
        """Have a worker take from `queue` while the context lasts."""
        limits = ExplainingLimits(slots=slots, batch_max=batch_max, lease_s=lease_s, timeout_s=self.timeout_s)
        worker = ExplainingWorker(queue, self.explainer, self.gate, limits, observer=self.metrics, log=LOG)
        worker.start()
        try:
            yield worker
        finally:
            await worker.close(grace_s=5)


def subject(
    number: int = 1, *, level: Level = Level.LOW, codes: Sequence[str] = ("NO_HISTORY",), **fields: object
) -> Subject:
    """A payment to explain."""
    score = {Level.LOW: 0.02, Level.MEDIUM: 0.4, Level.HIGH: 0.7, Level.CRITICAL: 0.95}[level]
    reasons = tuple(
        Reason(
            code=code, sentence=f"Because of {code.lower()}.", contribution=score, evidence={"z": "6.2", "x": "name"}
        )
        for code in codes
    )
    values: dict[str, object] = {
        "source": "autopay",
        "tx_id": f"T-{number}",
        "minor_units": 4_250,
        "currency": "EUR",
        "exponent": 2,
        "sender": "ACC-ALICE",
        "receiver": "ACC-SHOP",
        "status": "success",
        "events": ("captured",),
        "recorded_at_ms": 1_700_000_000_000,
        "risk": Risk(score=score, level=level, reasons=reasons),
        **fields,
    }
    return Subject(**values)  # type: ignore[arg-type] # a table of fields
