"""Runs scenarios: steady traffic, one fault, everything settled, then the audit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.chaos import world as worlds
from tests.chaos.history import ACCEPTED, BROKEN, History, Sort
from tests.chaos.profiles import unlike_a_clean_run
from tests.chaos.scenario import Scenario
from tests.chaos.traffic import Traffic, traffic_to
from tests.chaos.verdict import Verdict, judged
from tests.chaos.world import Rig, World
from tests.mesh_audit import auditing
from tests.servers import running_mongo

# Whatever comes back is back long before; what isn't then is reported.
_RECOVERY_S_MAX: Final = 40.0
_SETTLE_S_MAX: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a scenario's traffic is timed.

    Attributes:
        rate: new payments a second.
        before_s: seconds of traffic before the fault.
        after_s: seconds of traffic after recovery.
        patience: what the limits of recovery are multiplied with.
    """

    rate: float = 50.0
    before_s: float = 1.5
    after_s: float = 2.0
    patience: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a scenario came to.

    Attributes:
        name: the scenario's.
        sent: deliveries.
        acknowledged: deliveries answered with a 2xx.
        lost: acknowledged facts that are not stored.
        doubled: facts that are there, or were called new, twice.
        recovery_s: until the first 2xx to what was sent since recovery counted, None where none came.
        recovery_s_max: how long that may take.
        silence_s: the longest time without a 2xx.
        answers: how often each status was answered; "broken" where there was none.
        complaints: everything that is wrong.
        skipped: why it was not run, "" where it was.
    """

    name: str
    sent: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    recovery_s: float | None = None
    recovery_s_max: float = 0.0
    silence_s: float = 0.0
    answers: Mapping[str, int] = field(default_factory=dict)
    complaints: Sequence[str] = ()
    skipped: str = ""

    @property
    def kept(self) -> bool:
        """Whether everything that is promised held."""
        return not self.complaints and not self.lost and not self.doubled


async def results_of(
    scenarios: Sequence[Scenario], directory: Path, *, pace: Pace, say: Callable[[str], None]
) -> AsyncIterator[Result]:
    """Run scenarios in order, those in a row with the same needs on one rig, and yield what each came to."""
    async with AsyncExitStack() as stack:
        mongo = None
        for number, (rig, group) in enumerate(groupby(scenarios, key=lambda scenario: scenario.rig)):
            wanted = []
            for scenario in group:
                if why := scenario.why_not():
                    yield Result(name=scenario.name, skipped=why)
                else:
                    wanted.append(scenario)
            if not wanted:
                continue
            home = directory / f"rig-{number}"
            await asyncio.to_thread(home.mkdir, parents=True)
            async with AsyncExitStack() as own:
                if rig.small_disk:
                    disk = own.enter_context(worlds.small_disk(directory / f"disk-{number}"))
                    data = own.enter_context(running_mongo(disk, members=rig.members))
                    world = await own.enter_async_context(worlds.running(rig, data, home, disk=disk))
                else:
                    if mongo is None:
                        say("starting a replica set of three")
                        mongo = stack.enter_context(running_mongo(directory / "mongo", members=rig.members))
                    world = await own.enter_async_context(worlds.running(rig, mongo, home))
                say(f"a mesh is up: {_described(rig)}")
                for scenario in wanted:
                    say(f"{scenario.name}: {scenario.promise}")
                    yield await run(scenario, world, pace=pace)


async def run(scenario: Scenario, world: World, *, pace: Pace) -> Result:
    """Run one scenario in a whole world, which is whole again afterwards."""
    async with traffic_to(world.mesh, rate=pace.rate) as traffic:
        world.begin(traffic)
        complaints = await _under_traffic(scenario, world, pace)
        if left := await traffic.settle(within_s=_SETTLE_S_MAX):
            complaints.append(f"unsettled: {left} payments were not accepted within {_SETTLE_S_MAX:g} s")
        await world.whole()
        verdict = await asyncio.to_thread(_audited, scenario, traffic.history, world.mesh.mongo_url)
    complaints += _recovery_complaints(traffic.history, world.healed_s, scenario.recovery_s_max * pace.patience)
    return _result(scenario, traffic, verdict, complaints, world.healed_s)


async def _under_traffic(scenario: Scenario, world: World, pace: Pace) -> list[str]:
    async with world.traffic.flowing():
        await asyncio.sleep(pace.before_s)
        try:
            await scenario.inject(world)
        except AssertionError as error:
            return [f"fault: {error}"]
        await world.recovered(within_s=_RECOVERY_S_MAX)
        await asyncio.sleep(pace.after_s)
    return []


def _audited(scenario: Scenario, history: History, mongo_url: str) -> Verdict:
    with auditing(mongo_url) as audit:
        verdict = judged(history, audit, also_answered=scenario.also_answered)
        verdict.complaints += unlike_a_clean_run(history, audit)
    if scenario.unnoticed:
        for fact in history:
            for attempt in fact.attempts:
                if fact.sort is Sort.HONEST and attempt.status != ACCEPTED:
                    verdict.complain(f"noticed: {fact.event_id} got {attempt.status} {attempt.word}")
    return verdict


def _recovery_complaints(history: History, since_s: float, limit_s: float) -> list[str]:
    first_s = history.first_accepted_s(since_s)
    if first_s is None:
        return ["recovery: nothing that was sent after the fault was accepted"]
    if first_s - since_s > limit_s:
        return [f"recovery: took {first_s - since_s:.1f} s, more than {limit_s:g} s"]
    return []


def _result(
    scenario: Scenario, traffic: Traffic, verdict: Verdict, complaints: Sequence[str], healed_s: float
) -> Result:
    history = traffic.history
    answers = history.answers()
    first_s = history.first_accepted_s(healed_s)
    return Result(
        name=scenario.name,
        sent=answers.total(),
        acknowledged=answers[ACCEPTED],
        lost=verdict.lost,
        doubled=verdict.doubled,
        recovery_s=first_s - healed_s if first_s is not None else None,
        recovery_s_max=scenario.recovery_s_max,
        silence_s=history.silence_s(),
        answers={"broken" if status == BROKEN else str(status): answers[status] for status in sorted(answers)},
        complaints=(*complaints, *verdict.complaints),
    )


def _described(rig: Rig) -> str:
    parts = [f"MongoDB of {rig.members}" + (" on a small disk" if rig.small_disk else "")]
    parts += ["two edge workers", f"{rig.ledgers} ledger" + ("s" if rig.ledgers > 1 else "")]
    parts += ["links that can be cut"] if rig.linked else []
    parts += ["a clock that can be set"] if rig.steered else []
    return ", ".join(parts)
