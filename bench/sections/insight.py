"""Insight alone: how long Score takes at a steady rate with profiles in MongoDB, and how fast a history replays."""

from __future__ import annotations

import asyncio
import gc
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.type.v1 import money_pb2, payment_pb2
from rich.table import Table

from autopay_cli import invented
from bench import insight_process
from bench.comparing import Sample
from bench.gates import Gate
from services.insight.model import Payment
from services.insight.replay import Replay, ReplayOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.plan import Plan

TITLE = "Insight: scores at a steady rate, and a replay"
BY_DEFAULT = False
_RATE: Final = 3_000
# As many as the mesh's batches hold at this rate, more or less.
_CALL_ITEMS: Final = 10
_TIMEOUT_S: Final = 2.0
_P99_MS_MAX: Final = 5.0
_REPLAY_PER_S_MIN: Final = 50_000
_WEEK_MS: Final = 7 * 86_400_000


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Call Score on time whatever the answers do, then replay an invented history."""
    with (
        tempfile.TemporaryDirectory(dir=plan.scratch, prefix="insight-") as folder,
        insight_process.start(Path(folder)) as target,
    ):
        asyncio.run(_score(target, plan.warmup_s))
        taken_ms = sorted(asyncio.run(_score(target, plan.duration_s)))
    figures: dict[str, Any] = {"rate": _RATE, "call_items": _CALL_ITEMS, "calls": len(taken_ms)}
    for share in (50, 99):
        figures[f"p{share}_ms"] = taken_ms[min(len(taken_ms) * share // 100, len(taken_ms) - 1)]
    figures["replay_per_s"] = _replay()
    say(
        f"  Score at {_RATE:,}/s  p50 {figures['p50_ms']:.2f} ms  p99 {figures['p99_ms']:.2f} ms"
        f"  replay {figures['replay_per_s']:,.0f}/s"
    )
    return figures


async def _score(target: str, duration_s: float) -> list[float]:
    """Return how long each call took from the moment it was due, so that a slow answer delays nobody unseen."""
    taken_ms: list[float] = []
    async with grpc.aio.insecure_channel(target) as channel:
        stub = insight_pb2_grpc.InsightServiceStub(channel)

        async def call(request: insight_pb2.ScoreRequest, due_s: float) -> None:
            await stub.Score(request, timeout=_TIMEOUT_S)
            taken_ms.append((time.perf_counter() - due_s) * 1_000)

        draw, pause_s = random.Random(1), _CALL_ITEMS / _RATE
        # Made before the first is due: what the sender does meanwhile would be measured as insight's.
        requests = [_request(draw, number) for number in range(int(duration_s / pause_s))]
        started_s = time.perf_counter()
        async with asyncio.TaskGroup() as calls:
            for number, request in enumerate(requests):
                due_s = started_s + number * pause_s
                await asyncio.sleep(max(due_s - time.perf_counter(), 0.0))
                calls.create_task(call(request, due_s))
    return taken_ms


def _request(draw: random.Random, number: int) -> insight_pb2.ScoreRequest:
    def account() -> str:
        return f"acct-{draw.randrange(insight_process.ACCOUNTS)}"

    return insight_pb2.ScoreRequest(
        items=[
            insight_pb2.ScoreItem(
                source=insight_process.SOURCE,
                received_at_ms=int(time.time() * 1_000),
                event=payment_pb2.PaymentEvent(
                    tx_id=f"T-{number}-{place}",
                    kind=payment_pb2.EVENT_KIND_CAPTURED,
                    amount=money_pb2.Money(minor_units=draw.randint(500, 20_000), currency="USD", exponent=2),
                    sender_account=account(),
                    receiver_account=account(),
                ),
            )
            for place in range(_CALL_ITEMS)
        ]
    )


def _replay() -> float:
    """Return the payments per second of CPU time, scoring and learning together, with labels a week late."""
    rows = invented.invent(invented.Plan(seed=1))
    history = [
        (
            Payment(
                "replay", str(place), row.sender, row.receiver, round(row.amount * 100), "USD", round(row.time * 1_000)
            ),
            bool(row.label),
        )
        for place, row in enumerate(rows)
    ]
    # As `autopay insight replay` has it: nothing here is cyclic.
    gc.disable()
    started_s = time.process_time()
    for _ in Replay(ReplayOptions(label_delay_ms=_WEEK_MS)).scores(history):
        pass
    taken_s = time.process_time() - started_s
    gc.enable()
    return len(history) / taken_s


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold the figures against what the project promises."""
    return [
        Gate(name=f"Score p99 at {_RATE:,}/s", value=figures["p99_ms"], limit=_P99_MS_MAX, unit="ms", at_most=True),
        Gate(
            name="replay, payments per second of a core",
            value=figures["replay_per_s"],
            limit=_REPLAY_PER_S_MIN,
            unit="/s",
            at_most=False,
        ),
    ]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out the figures."""
    table = Table(title=TITLE, title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row(
        f"Score, {figures['rate']:,} payments/s by {figures['call_items']}, p50", f"{figures['p50_ms']:.2f} ms"
    )
    table.add_row("p99", f"{figures['p99_ms']:.2f} ms")
    table.add_row("replay with labels, payments/s of a core", f"{figures['replay_per_s']:,.0f}")
    return [table]


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare the percentiles of Score, and the replay."""
    return {
        "Score p50": Sample(values=(figures["p50_ms"],), unit="ms", more_is_better=False),
        "Score p99": Sample(values=(figures["p99_ms"],), unit="ms", more_is_better=False),
        "replay": Sample(values=(figures["replay_per_s"],), unit="/s", more_is_better=True),
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
