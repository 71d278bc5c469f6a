"""Retries live inside one deadline, failures count, and only a whole answer is one."""

from __future__ import annotations

import asyncio

import pytest

from services.insight.answer import Unusable
from services.insight.bounded_model import Blocked
from services.insight.circuit import CircuitState
from services.insight.model_ports import ModelDown
from tests.gemini_rig import PRICES, Rig
from tests.unit.insight.prompts import ScriptedModel, answer, down, prompt


@pytest.mark.parametrize("code", ["429", "500", "503"])
async def test_what_may_pass_is_tried_again(code: str) -> None:
    """Too many requests, a bug or an overload on the other side are tried again within the deadline."""
    model = ScriptedModel(down(code, retryable=True), lambda _: answer("whole"))
    rig = Rig(model=model)
    assert (await rig.bounded.generate(prompt(), timeout_s=5)).text == "whole"
    assert len(model.asked) == 2
    assert rig.circuit.state is CircuitState.CLOSED


@pytest.mark.parametrize("code", ["400", "401", "403", "404", "timeout"])
async def test_what_will_not_pass_is_not_tried_again(code: str) -> None:
    """A wrong request, key or model is asked once; so is one whose time is over."""
    model = ScriptedModel(down(code))
    with pytest.raises(ModelDown):
        await Rig(model=model).bounded.generate(prompt(), timeout_s=5)
    assert len(model.asked) == 1


async def test_the_delay_asked_for_is_waited() -> None:
    """RetryInfo is the least pause before the next try."""
    model = ScriptedModel(down("429", retryable=True, retry_after_s=0.7), lambda _: answer())
    await Rig(model=model).bounded.generate(prompt(), timeout_s=5)
    assert model.times[1] - model.times[0] >= 0.7


async def test_a_delay_beyond_the_deadline_ends_it_and_shuts_the_gate() -> None:
    """Nothing waits for what can't come in time; nobody else calls before it is over, either."""
    model = ScriptedModel(down("429", retryable=True, retry_after_s=40))
    rig = Rig(model=model)
    started = asyncio.get_running_loop().time()
    with pytest.raises(ModelDown):
        await rig.bounded.generate(prompt(), timeout_s=2)
    assert asyncio.get_running_loop().time() - started < 1.8
    assert not await rig.gate.is_open()


async def test_the_deadline_bounds_all_tries_together() -> None:
    """However often it fails, the caller has its answer in time."""
    model = ScriptedModel(down("503", retryable=True))
    started = asyncio.get_running_loop().time()
    with pytest.raises(ModelDown):
        await Rig(model=model).bounded.generate(prompt(), timeout_s=1.2)
    assert asyncio.get_running_loop().time() - started < 2.5
    assert 1 < len(model.asked) <= 4


async def test_failures_in_a_row_open_the_circuit() -> None:
    """So does a refused key, at once."""
    rig = Rig(model=ScriptedModel(down("500")), failures_max=2)
    for _ in range(2):
        with pytest.raises(ModelDown):
            await rig.bounded.generate(prompt(), timeout_s=1)
    assert rig.circuit.state is CircuitState.OPEN
    refused = Rig(model=ScriptedModel(down("403")))
    with pytest.raises(ModelDown):
        await refused.bounded.generate(prompt(), timeout_s=1)
    assert refused.circuit.state is CircuitState.OPEN


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer("", finish="", blocked="SAFETY"), Blocked),
        (answer('{"payments": [', finish="MAX_TOKENS"), Unusable),
        (answer("{}", finish="finish reason 99"), Unusable),
        (answer("", finish=""), Unusable),
    ],
)
async def test_only_a_whole_answer_is_one(said: object, error: type[Exception]) -> None:
    """A refused prompt and an answer that was cut off raise, are paid for, and are no failure of the model."""
    rig = Rig(model=ScriptedModel(lambda _: said), failures_max=1)  # type: ignore[arg-type, return-value] # cases
    with pytest.raises(error):
        await rig.bounded.generate(prompt(), timeout_s=1)
    assert rig.circuit.state is CircuitState.CLOSED
    assert rig.book.days["day"] == PRICES.nano_usd(100, 40)


async def test_past_the_days_cap_nothing_is_asked() -> None:
    """The model isn't called, and its circuit isn't to blame."""
    model = ScriptedModel(lambda _: answer())
    rig = Rig(model=model, usd_max=0.0, failures_max=1)
    with pytest.raises(ModelDown, match="budget"):
        await rig.bounded.generate(prompt(), timeout_s=1)
    assert model.asked == []
    assert rig.circuit.state is CircuitState.CLOSED


async def test_while_the_book_is_away_nothing_is_asked() -> None:
    """What can't be accounted for isn't spent."""
    model = ScriptedModel(lambda _: answer())
    rig = Rig(model=model)
    rig.book.away = True
    with pytest.raises(ModelDown, match="can't be read"):
        await rig.bounded.generate(prompt(), timeout_s=1)
    assert model.asked == []


async def test_an_answer_that_came_too_late_stays_reserved() -> None:
    """It may have been paid for: the day's sum errs to the safe side, other failures cost nothing."""
    late, refused = Rig(model=ScriptedModel(down("timeout"))), Rig(model=ScriptedModel(down("500")))
    for rig in (late, refused):
        with pytest.raises(ModelDown):
            await rig.bounded.generate(prompt(), timeout_s=1)
    assert late.book.days["day"] > 0
    assert refused.book.days["day"] == 0
