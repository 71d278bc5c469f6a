"""Scaling and contention: two of each beside one, one payment 20,000 times, a hundred events of one payment at once."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from pymongo import MongoClient
from rich.table import Table

from bench import mesh, replicas, traffic, window
from bench.comparing import Sample
from bench.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bench.plan import Plan
    from bench.server import Server
    from bench.window import Window

TITLE = "Scaling and contention"
BY_DEFAULT = False
_RATE: Final = 8_000.0
_COUNTS: Final = (1, 2)
_STORM: Final = 20_000
_EVENTS: Final = 100
_TWO_OF_EACH_MIN: Final = 1.0
_STORM_MAX: Final = 1.0


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure one and two of each in turn; then repeat a payment beside fresh ones, and gather on another."""
    rounds: list[dict[str, Any]] = []
    for seed, count in itertools.product(range(plan.rounds), _COUNTS):
        with tempfile.TemporaryDirectory(dir=plan.scratch, prefix=f"scaling-{count}-") as temporary:
            seen = _saturate(Path(temporary), plan, seed=seed, count=count)
        rounds.append({"count": count, **asdict(seen)})
        say(f"  {seen.server}: {seen.requests_per_s:,.0f}/s")
    with (
        tempfile.TemporaryDirectory(dir=plan.scratch, prefix="storm-") as temporary,
        mesh.start(Path(temporary)) as server,
    ):
        storm = _storm(server, Path(temporary), plan)
        say(f"  fresh {storm['fresh_us']:.0f} µs, repeated {storm['repeated_us']:.0f} µs ({storm['repeated']:,} times)")
        gathered = asyncio.run(_gather(server))
        say(f"  {_EVENTS} events at once: {gathered}")
    rates = {count: statistics.median(_rates(rounds, count)) for count in _COUNTS}
    return {"rounds": rounds, "two_of_each": rates[2] / rates[1], "storm": storm, "gathered": gathered}


def _rates(rounds: list[dict[str, Any]], count: int) -> list[float]:
    return [one["requests_per_s"] for one in rounds if one["count"] == count]


def _saturate(folder: Path, plan: Plan, *, seed: int, count: int) -> Window:
    concurrency = max(plan.concurrencies)
    with replicas.start(folder, edge_workers=count, ledgers=count) as server:
        sender = window.Sender(server, traffic.Payments(seed), scratch=folder, rate=_RATE)
        sender.prepare(concurrency=concurrency, duration_s=plan.warmup_s)
        sender.send(concurrency=concurrency, duration_s=plan.warmup_s)
        return window.measure(sender, concurrency=concurrency, duration_s=plan.duration_s)


def _storm(server: Server, folder: Path, plan: Plan) -> dict[str, Any]:
    """Take turns between fresh payments and one that is repeated, until it came often enough."""
    concurrency = max(plan.concurrencies)
    payments = traffic.Payments(seed=99)
    same = traffic.Same(next(payments.take(1)))
    fresh = window.Sender(server, payments, scratch=folder, rate=_RATE)
    again = window.Sender(server, same, scratch=folder, rate=_RATE)
    fresh.prepare(concurrency=concurrency, duration_s=plan.warmup_s)
    fresh.send(concurrency=concurrency, duration_s=plan.warmup_s)
    costs: dict[str, list[float]] = {"fresh": [], "repeated": []}
    complaints: list[str] = []
    repeated = added = 0
    while repeated < _STORM:
        for name, sender in (("fresh", fresh), ("repeated", again)):
            before = server.stored() or 0
            seen = window.measure(sender, concurrency=concurrency, duration_s=plan.duration_s)
            costs[name].append(sum(seen.cpu_us.values()) + sum(seen.late_cpu_us.values()))
            complaints += seen.complaints
            if name == "repeated":
                repeated += seen.accepted
                added += (server.stored() or 0) - before
    return {
        "fresh_us": statistics.median(costs["fresh"]),
        "repeated_us": statistics.median(costs["repeated"]),
        "turns": costs,
        "repeated": repeated,
        "stored": added,
        "complaints": complaints,
    }


async def _gather(server: Server) -> dict[str, Any]:
    """Send a payment of 100.00 and a hundred refunds of 1.00, all at once, and read what became of it."""
    payment = {"tx_id": f"gathered-{time.time_ns()}", "amount": "100.00", "currency": "EUR"}
    payment |= {"sender_account": "acct_s1", "receiver_account": "acct_r1", "status": "success"}
    refunds = [{**payment, "status": "refunded", "amount": "1.00", "event_id": f"r-{n}"} for n in range(_EVENTS)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        statuses = await asyncio.gather(*(_post(session, server, event) for event in (payment, *refunds)))
    with MongoClient[dict[str, Any]](server.mongo_url or "") as client:
        stored = client[server.database][server.collection].find_one({"_id": f"autopay:{payment['tx_id']}"}) or {}
    totals = stored.get("totals", {})
    return {
        "accepted": sum(status == 200 for status in statuses),
        "events": len(stored.get("events", ())),
        "refunded_minor": int(totals.get("refunded", 0)),
        "status": stored.get("status", "none"),
    }


async def _post(session: aiohttp.ClientSession, server: Server, event: dict[str, str]) -> int:
    body, now_s = json.dumps(event).encode(), int(time.time())
    signature = traffic.sign(body, secret=server.secret, timestamp_s=now_s)
    headers = {"X-Timestamp": str(now_s), "X-Signature": signature, "Content-Type": "application/json"}
    async with session.post(f"http://{server.host}{server.path}", data=body, headers=headers) as answer:
        return answer.status


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold the ratio of rates, the ratio of costs, and every count against its limit."""
    storm, gathered = figures["storm"], figures["gathered"]
    wrong = [complaint for one in figures["rounds"] for complaint in one["complaints"]] + storm["complaints"]
    right = {"accepted": _EVENTS + 1, "events": _EVENTS + 1, "refunded_minor": _EVENTS * 100, "status": "refunded"}
    off = sum(gathered[name] != value for name, value in right.items())
    more = storm["repeated_us"] / storm["fresh_us"]
    return [
        Gate(name="complaints while scaling", value=len(wrong), limit=0, unit="", at_most=True),
        Gate(name="two of each / one", value=figures["two_of_each"], limit=_TWO_OF_EACH_MIN, unit="×", at_most=False),
        Gate(name="CPU of a repeated payment / a fresh one", value=more, limit=_STORM_MAX, unit="×", at_most=True),
        Gate(name="payments a storm stored", value=storm["stored"], limit=1, unit="", at_most=True),
        Gate(name=f"wrong after {_EVENTS} events at once", value=off, limit=0, unit="", at_most=True),
    ]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out the rates by count, then what a repeated payment costs, then what became of the events."""
    table = Table(title=f"{TITLE} (medians)", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for count in _COUNTS:
        rates = _rates(figures["rounds"], count)
        table.add_row(f"{count} edge worker(s), {count} ledger(s), requests/s", f"{statistics.median(rates):,.0f}")
    storm, gathered = figures["storm"], figures["gathered"]
    table.add_row("fresh payments, CPU µs each", f"{storm['fresh_us']:.0f}")
    table.add_row(f"one payment {storm['repeated']:,} times, CPU µs each", f"{storm['repeated_us']:.0f}")
    table.add_row("payments that it stored", f"{storm['stored']}")
    table.add_row(f"{_EVENTS} refunds and their payment at once: events stored", f"{gathered['events']}")
    table.add_row("refunded, of 100.00", f"{gathered['refunded_minor'] / 100:.2f} ({gathered['status']})")
    return [table]


def samples(figures: dict[str, Any]) -> dict[str, Sample]:
    """Compare rates by count, and costs."""
    found = {
        f"{count} of each: rate": Sample(values=tuple(_rates(figures["rounds"], count)), unit="/s", more_is_better=True)
        for count in _COUNTS
    }
    turns = figures["storm"]["turns"]
    return found | {
        f"{name}: CPU": Sample(values=tuple(values), unit="µs", more_is_better=False) for name, values in turns.items()
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
