"""The worker: every leased payment is given back with what came of it, and nothing is leased in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mesh.errors import Fault, Kind
from services.insight.explanation import Explanation, Outcome, Subject, Unexplained
from services.insight.model import Level
from services.insight.model_ports import Generated, Prompt, Task
from tests.gemini_rig import Rig, subject
from tests.patience import until
from tests.unit.insight.prompts import ScriptedModel, answer, down, good


class MemoryQueue:
    """An AnalysisQueue in memory, which can fail."""

    def __init__(self, *subjects: Subject) -> None:
        """These wait."""
        self.waiting = list(subjects)
        self.outcomes: dict[str, list[Outcome]] = {}
        self.leases: list[int] = []
        self.faults: list[Fault] = []
        self.lost: set[str] = set()

    async def lease(self, *, tasks_max: int, lease_s: float, wait_s: float) -> Sequence[Task]:
        """Hand out what waits, or wait."""
        self.leases.append(tasks_max)
        taken, self.waiting = self.waiting[:tasks_max], self.waiting[tasks_max:]
        if not taken:
            await asyncio.sleep(0.02)
        return [Task(subject=each, token="t") for each in taken]

    async def complete(self, task: Task, outcome: Outcome) -> bool:
        """Remember it."""
        if self.faults:
            raise self.faults.pop()
        if task.subject.tx_id in self.lost:
            return False
        self.outcomes.setdefault(task.subject.tx_id, []).append(outcome)
        return True

    async def oldest_queued_ms(self) -> int:
        """Long ago, where something waits."""
        return 1_700_000_000_000 if self.waiting else 0

    async def until(self, count: int) -> None:
        """Wait until so many came back."""
        await until(lambda: len(self.outcomes) >= count, within_s=5)


def unavailable() -> Fault:
    """The ledger is away."""
    return Fault(kind=Kind.UNAVAILABLE, reason="NOT_DURABLE", message="away")


async def test_every_payment_comes_back_once() -> None:
    """In a backlog they share requests, the risky ones with a description of their own apart."""
    queue = MemoryQueue(
        *(subject(number, description="tea") for number in range(20)), subject(99, description="x", level=Level.HIGH)
    )
    model = ScriptedModel(good)
    async with Rig(model=model).working(queue, slots=2):
        await queue.until(21)
    assert all(len(each) == 1 and isinstance(each[0], Explanation) for each in queue.outcomes.values())
    # Two full leases; the five that are left are more than half of one: four share a request, and the risky one has
    # its own.
    assert len(model.asked) == 2 + 2


async def test_less_than_half_a_lease_is_no_backlog() -> None:
    """Few payments have a request each, with their descriptions."""
    queue = MemoryQueue(*(subject(number, description="tea") for number in range(3)))
    model = ScriptedModel(good)
    async with Rig(model=model).working(queue):
        await queue.until(3)
    assert len(model.asked) == 3


async def test_while_the_model_is_down_the_rest_of_a_lease_is_given_back() -> None:
    """One failed request is enough for all that were leased; each says why."""
    queue = MemoryQueue(*(subject(number, description="tea") for number in range(3)))
    model = ScriptedModel(down("503"))
    async with Rig(model=model).working(queue):
        await queue.until(3)
    assert len(model.asked) == 1
    assert {each[0] for each in queue.outcomes.values()} == {Unexplained(reason="down with 503")}


async def test_an_open_circuit_leases_nothing_and_then_one() -> None:
    """Payments wait in the ledger, not here; the probe takes a single one."""
    queue = MemoryQueue(*(subject(number) for number in range(10)))
    rig = Rig(model=ScriptedModel(down("500"), good), failures_max=1, open_s=0.3)
    async with rig.working(queue, batch_max=4):
        await queue.until(4)
        await asyncio.sleep(0.1)
        assert queue.leases == [4]
        await queue.until(10)
    assert queue.leases[:4] == [4, 1, 4, 4]
    explained = [each for each in queue.outcomes.values() if isinstance(each[0], Explanation)]
    assert len(explained) == 6


async def test_a_completion_is_sent_again_while_the_ledger_is_away() -> None:
    """What the model said isn't thrown away for one lost answer."""
    queue = MemoryQueue(subject(1))
    queue.faults = [unavailable()]
    model = ScriptedModel(good)
    async with Rig(model=model).working(queue):
        await queue.until(1)
    assert len(model.asked) == 1


async def test_a_lost_lease_is_only_counted() -> None:
    """Another worker has the payment; nothing is stored twice, and the next ones are worked on."""
    queue = MemoryQueue(subject(1), subject(2))
    queue.lost = {"T-1"}
    rig = Rig(model=ScriptedModel(good))
    async with rig.working(queue):
        await queue.until(1)
        await asyncio.sleep(0.02)
    assert list(queue.outcomes) == ["T-2"]
    assert rig.registry.get_sample_value("insight_analyses_total", {"outcome": "lost"}) == 1


async def test_without_money_nothing_is_leased() -> None:
    """A day whose cap is reached leaves everything queued."""
    queue = MemoryQueue(subject(1))
    async with Rig(model=ScriptedModel(good), usd_max=0.0).working(queue):
        await asyncio.sleep(0.1)
    assert queue.leases == []


async def test_closing_finishes_what_was_leased() -> None:
    """A request that is out is waited for, and its explanation stored."""
    started = asyncio.Event()

    class Slow(ScriptedModel):
        async def generate(self, prompt: Prompt, *, timeout_s: float) -> Generated:
            started.set()
            await asyncio.sleep(0.2)
            return await super().generate(prompt, timeout_s=timeout_s)

    queue = MemoryQueue(subject(1))
    async with Rig(model=Slow(good)).working(queue):
        await started.wait()
    assert isinstance(queue.outcomes["T-1"][0], Explanation)


async def test_a_bug_in_one_lease_ends_no_other() -> None:
    """It is logged, and work goes on after a pause."""

    def bug(asked: object) -> object:
        raise ZeroDivisionError

    queue = MemoryQueue(subject(1), subject(2))
    model = ScriptedModel(bug, good)  # type: ignore[arg-type] # a bug has no type
    async with Rig(model=model).working(queue, batch_max=1):
        await queue.until(1)
    assert list(queue.outcomes) == ["T-2"]


async def test_the_queue_age_is_shown() -> None:
    """The gauge has the age of what waits longest, whether anything is leased or not."""
    queue = MemoryQueue(subject(1))
    rig = Rig(model=ScriptedModel(lambda _: answer()), usd_max=0.0)
    async with rig.working(queue):
        await asyncio.sleep(0.05)
    age = rig.registry.get_sample_value("insight_analysis_queue_age_seconds")
    assert age is not None
    assert age > 1_000_000
