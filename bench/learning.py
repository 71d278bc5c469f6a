"""What learning a payment costs, without and with its feature vector kept: CPU of the learner and of mongod.

python -m bench.learning [--payments 60000] [--rounds 4]

The real learner over a mongod of its own and a feed out of memory, both ways in turn in one run: the differences of the
best rounds are what a busy machine spoils least.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil
import structlog
from prometheus_client import CollectorRegistry

from bench import mongod
from services.insight.adapters.mongo import connect, database_of
from services.insight.adapters.mongo_cases import MongoCases
from services.insight.adapters.mongo_labels import MongoLabels
from services.insight.adapters.mongo_lease import MongoLease
from services.insight.adapters.mongo_profiles import MongoProfiles
from services.insight.adapters.mongo_scores import MongoScores
from services.insight.cache import CacheLimits, ProfileCache
from services.insight.judging import Jury
from services.insight.keeping import VectorKeeper
from services.insight.learning import Learner, LearningLimits
from services.insight.metrics import InsightMetrics
from services.insight.model import Page, Payment
from services.insight.saving import Saver

if TYPE_CHECKING:
    from services.insight.adapters.mongo import Database

_PAGE: Final = 256
_SENDERS: Final = 4_000
_RECEIVERS: Final = 300
_LEASE_S: Final = 15.0


class MemoryFeed:
    """Tells all payments as fast as they are taken in, then nothing."""

    def __init__(self, payments: Sequence[Payment]) -> None:
        """Tell these."""
        self._payments = payments
        self.told_all = asyncio.Event()

    async def follow(self, token: str) -> AsyncGenerator[Page, None]:
        """Yield page after page."""
        for place in range(int(token or 0), len(self._payments), _PAGE):
            page = self._payments[place : place + _PAGE]
            yield Page(changes=len(page), payments=page, token=str(place + len(page)))
            await asyncio.sleep(0)
        self.told_all.set()
        await asyncio.Event().wait()


def payments_of(count: int) -> Sequence[Payment]:
    """Return payments of the last day between a few thousand accounts, the same ones each time."""
    rng, first_ms = random.Random(1), int(time.time() * 1000) - 86_400_000
    return [
        Payment(
            source="autopay",
            tx_id=f"order-{number}",
            sender=f"customer-{rng.randrange(_SENDERS)}",
            receiver=f"shop-{rng.randrange(_RECEIVERS)}",
            minor_units=rng.randint(100, 100_000),
            currency="EUR",
            at_ms=first_ms + number * 100,
        )
        for number in range(count)
    ]


async def learn(database: Database, payments: Sequence[Payment], *, kept: bool, pid: int) -> Mapping[str, float]:
    """Learn and save them; return the microseconds of CPU that each took."""
    log = structlog.get_logger()
    observer = InsightMetrics(CollectorRegistry())
    store = MongoProfiles(database)
    profiles = ProfileCache(store, CacheLimits(), clock=time.monotonic, log=log)
    scores = MongoScores(database, days=120)
    keeper = VectorKeeper(scores, kept=kept)
    saver = Saver(
        lease=MongoLease(database, owner="bench", lease_s=_LEASE_S),
        store=store,
        profiles=profiles,
        keeper=keeper,
        lease_s=_LEASE_S,
        idle_s=_LEASE_S,
        clock=time.monotonic,
        log=log,
    )
    feed = MemoryFeed(payments)
    learner = Learner(
        feed=feed,
        saver=saver,
        profiles=profiles,
        keeper=keeper,
        labels=MongoLabels(database, scores, days=120),
        jury=Jury(MongoCases(database, owner="bench"), profiles=profiles, saver=saver, observer=observer),
        limits=LearningLimits(flush_s=10.0),
        log=log,
        observer=observer,
    )
    mongod_s, python_s = _cpu_s(pid), time.process_time()
    learning = asyncio.create_task(learner.run())
    await feed.told_all.wait()
    learning.cancel()
    with suppress(asyncio.CancelledError):
        await learning
    await learner.close(grace_s=30)
    spent = {"python": time.process_time() - python_s, "mongod": _cpu_s(pid) - mongod_s}
    await profiles.close()
    return {name: seconds / len(payments) * 1e6 for name, seconds in spent.items()}


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


async def measure(server: mongod.Mongod, *, count: int, rounds: int) -> None:
    """Print every round, and what keeping vectors adds to the best of each kind."""
    payments = payments_of(count)
    best: dict[bool, dict[str, float]] = {False: {}, True: {}}
    for number in range(rounds):
        for kept in (False, True):
            url = server.url.replace("/?", f"/learning{number}{kept:d}?")
            client = connect(url, pool_min=1, pool_max=4)
            spent = await learn(database_of(client, url), payments, kept=kept, pid=server.pid)
            client.close()
            best[kept] = {name: min(us, best[kept].get(name, us)) for name, us in spent.items()}
            print(
                f"vectors {'kept' if kept else 'not kept':8}", *(f"{name} {us:5.1f} µs" for name, us in spent.items())
            )
    for name, us in best[True].items():
        print(f"{name}: {best[False][name]:.1f} µs a payment, with its vector {us - best[False][name]:+.1f} µs")


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payments", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder, mongod.fresh(Path(folder)) as server:
        asyncio.run(measure(server, count=options.payments, rounds=options.rounds))


if __name__ == "__main__":
    main()
