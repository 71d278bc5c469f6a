"""The ledger by its size: what a read costs, and how much of MongoDB's own rate of inserts is left."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2_grpc
from pymongo.errors import PyMongoError
from rich.table import Table

from bench import ledger_process
from bench.comparing import Sample
from bench.gates import Gate
from bench.ledger_process import LedgerLostError, LedgerProcess
from bench.ledger_reads import PAGE_ROWS, Readers
from bench.ledger_writes import CALL_ITEMS, CALLS_AT_ONCE, Writers, prepare_raw
from services.ledger.adapters import mongo

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.plan import Plan

TITLE = "The ledger by its size"
BY_DEFAULT = True
_SMALLEST: Final = 1_000
_BUDGET_S: Final = 60.0
_GET_MS_MAX: Final = 2.0
_FIRST_PAGE_MS_MAX: Final = 20.0
_DEEP_OFF_MAX: Final = 0.5
_RATIO_MIN: Final = 0.4


def sizes(payments: int) -> list[int]:
    """Return the numbers of payments to measure at: powers of ten from a thousand on, and the last."""
    below = itertools.takewhile(lambda size: size < payments, (_SMALLEST * 10**power for power in itertools.count()))
    return [*below, payments]


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Fill one ledger step by step, and at each size read from it."""
    with (
        tempfile.TemporaryDirectory(dir=plan.scratch, prefix="ledger-") as temporary,
        ledger_process.start(Path(temporary)) as ledger,
    ):
        try:
            steps = asyncio.run(_measure(ledger, sizes(plan.payments), say))
        except (grpc.RpcError, PyMongoError) as failure:
            message = f"the ledger under test failed: {failure}"
            raise LedgerLostError(message) from failure
    return {"call_items": CALL_ITEMS, "calls_at_once": CALLS_AT_ONCE, "page_rows": PAGE_ROWS, "sizes": steps}


async def _measure(ledger: LedgerProcess, steps: list[int], say: Callable[[str], None]) -> list[dict[str, Any]]:
    clients = [mongo.connect(url, pool_min=1, pool_max=10, budget_s=_BUDGET_S) for url in (ledger.url, ledger.raw_url)]
    await prepare_raw(ledger.raw_url)
    stored, raw = (
        mongo.durable(mongo.database_of(client, url), "transactions", wtimeout_s=_BUDGET_S)
        for client, url in zip(clients, (ledger.url, ledger.raw_url), strict=True)
    )
    found: list[dict[str, Any]] = []
    async with grpc.aio.insecure_channel(ledger.target) as channel:
        stub = ledger_pb2_grpc.LedgerServiceStub(channel)
        writers, readers = Writers(stub, stored=stored, raw=raw), Readers(stub)
        for before, size in itertools.pairwise([0, *steps]):
            rates = await writers.grow(before, size)
            reads = await readers.measure(size)
            found.append(
                {
                    "payments": size,
                    **asdict(rates),
                    "ratio": rates.ratio,
                    **asdict(reads),
                    "deep_ratio": reads.deep_ratio,
                }
            )
            say(_line(found[-1]))
    for client in clients:
        client.close()
    return found


def _slowest(step: dict[str, Any]) -> tuple[str, float]:
    name, taken_ms = max(step["first_page_ms"].items(), key=lambda item: item[1])
    return name, taken_ms


def _line(step: dict[str, Any]) -> str:
    name, taken_ms = _slowest(step)
    return (
        f"  {step['payments']:>9,} payments  get {step['get_ms']:.2f} ms  slowest first page {taken_ms:.1f} ms ({name})"
        f"  record {step['record_per_s']:,.0f}/s  insert {step['insert_per_s']:,.0f}/s"
    )


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold the largest size against its limits."""
    step = figures["sizes"][-1]
    at, (name, taken_ms) = f"{step['payments']:,} payments", _slowest(step)
    off, deep = abs(step["deep_ratio"] - 1), f"page {step['deep_page']:,}"
    return [
        Gate(name=f"GetTransaction p50, {at}", value=step["get_ms"], limit=_GET_MS_MAX, unit="ms", at_most=True),
        Gate(
            name=f"slowest first page ({name}), {at}", value=taken_ms, limit=_FIRST_PAGE_MS_MAX, unit="ms", at_most=True
        ),
        Gate(name=f"{deep} off page 2, {at}", value=off, limit=_DEEP_OFF_MAX, unit="×", at_most=True),
        Gate(name=f"Record / insert_many, {at}", value=step["ratio"], limit=_RATIO_MIN, unit="×", at_most=False),
    ]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out a column per size."""
    steps = figures["sizes"]
    calls = f"{figures['call_items']} per call, {figures['calls_at_once']} calls at once"
    caption = f"pages of {figures['page_rows']} rows; writes: {calls}"
    table = Table(title=f"{TITLE} (medians, ms)", title_justify="left", caption=caption, caption_justify="left")
    table.add_column("payments", no_wrap=True)
    for step in steps:
        table.add_column(f"{step['payments']:,}", justify="right")
    rows: dict[str, Callable[[dict[str, Any]], str]] = {
        "GetTransaction": lambda step: f"{step['get_ms']:.2f}",
        **{f"first page: {name}": _first_page(name) for name in steps[0]["first_page_ms"]},
        "page 2": lambda step: f"{step['page_2_ms']:.2f}",
        "deep page": lambda step: f"{step['deep_page_ms']:.2f}",
        "deep page, its number": lambda step: f"{step['deep_page']:,}",
        "deep page / page 2": lambda step: f"{step['deep_ratio']:.2f}",
        "Record, payments/s": lambda step: f"{step['record_per_s']:,.0f}",
        "insert_many, payments/s": lambda step: f"{step['insert_per_s']:,.0f}",
        "Record / insert_many": lambda step: f"{step['ratio']:.2f}",
    }
    for heading, cell in rows.items():
        table.add_row(heading, *(cell(step) for step in steps))
    return [table]


def _first_page(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda step: f"{step['first_page_ms'][name]:.2f}"


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare the largest size."""
    step = figures["sizes"][-1]
    at = f"{step['payments']:,} payments"
    return {
        f"get, {at}": Sample(values=(step["get_ms"],), unit="ms", more_is_better=False),
        f"Record / insert_many, {at}": Sample(values=(step["ratio"],), unit="×", more_is_better=True),
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
