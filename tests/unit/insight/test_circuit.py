"""The circuit, the budgets and the gate before the model, by a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest

from services.insight.circuit import Circuit, CircuitState
from services.insight.gate import Gate, Passage
from services.insight.spending import DayBudget, TokenBudget, tokens_at_most
from tests.gemini_rig import PRICES, MemoryBook
from tests.unit.insight.prompts import answer, prompt


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        """Begin somewhere."""
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Hands:
    """The test's clock."""
    return Hands()


@pytest.fixture
def circuit(clock: Hands) -> Circuit:
    """Opens after three failures for ten seconds."""
    return Circuit(failures_max=3, open_s=10, clock=clock)


def open_up(circuit: Circuit) -> None:
    """Fail until it opens."""
    for _ in range(3):
        circuit.failed()
    assert circuit.state is CircuitState.OPEN


def test_it_opens_after_failures_in_a_row(circuit: Circuit) -> None:
    """A success in between begins the count again."""
    for _ in range(2):
        circuit.failed()
    circuit.succeeded()
    for _ in range(2):
        circuit.failed()
    assert circuit.state is CircuitState.CLOSED
    circuit.failed()
    assert (circuit.state, circuit.wait_s()) == (CircuitState.OPEN, 10)


def test_what_time_will_not_mend_opens_it_at_once(circuit: Circuit) -> None:
    """A refused key is one failure too many."""
    circuit.failed(at_once=True)
    assert circuit.state is CircuitState.OPEN


def test_one_probe_at_a_time_decides(circuit: Circuit, clock: Hands) -> None:
    """Half-open lets one through; if that fails it stays shut twice as long, if it succeeds it closes."""
    open_up(circuit)
    clock.now += 10
    assert (circuit.state, circuit.wait_s()) == (CircuitState.HALF_OPEN, 0)
    assert circuit.enter() is True
    assert circuit.wait_s() > 0
    circuit.failed()
    circuit.leave(probe=True)
    assert circuit.wait_s() == 20
    clock.now += 20
    assert circuit.enter() is True
    circuit.succeeded()
    circuit.leave(probe=True)
    assert circuit.state is CircuitState.CLOSED
    assert circuit.enter() is False


def test_a_probe_that_found_no_work_leaves_room_for_the_next(circuit: Circuit, clock: Hands) -> None:
    """Without a call nothing is decided."""
    open_up(circuit)
    clock.now += 10
    assert circuit.enter()
    circuit.leave(probe=True)
    assert (circuit.state, circuit.wait_s()) == (CircuitState.HALF_OPEN, 0)


def test_the_pause_between_probes_has_a_limit(circuit: Circuit, clock: Hands) -> None:
    """However long an outage lasts, somebody looks every ten minutes."""
    open_up(circuit)
    for _ in range(20):
        clock.now += circuit.wait_s()
        circuit.failed()
    assert circuit.wait_s() == 600


def test_calls_that_were_out_when_it_opened_do_not_keep_it_open(circuit: Circuit, clock: Hands) -> None:
    """Their failures change nothing any more."""
    open_up(circuit)
    clock.now += 5
    circuit.failed()
    assert circuit.wait_s() == 5


def test_tokens_are_owed_and_come_back_with_time(clock: Hands) -> None:
    """More than there is may be taken; then it takes its share of a minute until there is something again."""
    tokens = TokenBudget(6_000, clock=clock)
    tokens.take(5_999)
    assert tokens.wait_s() == 0
    tokens.take(600)
    assert 5.9 < tokens.wait_s() < 6.1
    clock.now += 6.1
    assert tokens.wait_s() == 0
    clock.now += 3_600
    tokens.take(-10_000)
    tokens.take(6_001)
    assert tokens.wait_s() > 0


async def test_the_day_has_a_cap_that_reservations_count_against() -> None:
    """What may be spent is reserved before and corrected after; past the cap nothing more is reserved."""
    book = MemoryBook()
    most = PRICES.nano_usd(tokens_at_most(prompt()) - 200, 200)
    day = DayBudget(book, usd_max=2.5 * most / 1e9, prices=PRICES, today=lambda: "d")
    first, second = await day.reserve(prompt()), await day.reserve(prompt())
    assert first is not None
    assert second is not None
    assert await day.reserve(prompt()) is None
    assert await day.settle(first, answer()) == PRICES.nano_usd(100, 40)
    assert await day.settle(second, None) == 0
    assert book.days["d"] == PRICES.nano_usd(100, 40)
    assert await day.is_open()
    assert await day.reserve(prompt()) is not None


def gate_of(clock: Hands, circuit: Circuit, book: MemoryBook, *, usd_max: float = 1.0) -> Gate:
    """A gate by the test's clock."""
    day = DayBudget(book, usd_max=usd_max, prices=PRICES, today=lambda: "d")
    return Gate(circuit=circuit, tokens=TokenBudget(1_000, clock=clock), day=day, clock=clock)


async def test_the_gate_is_shut_by_each_of_its_parts(clock: Hands, circuit: Circuit) -> None:
    """Tokens, a pause that was asked for, the day's money, an unreadable book, the circuit: any of them shuts it."""
    book = MemoryBook()
    gate = gate_of(clock, circuit, book)
    assert await gate.is_open()
    gate.pause(5)
    assert not await gate.is_open()
    clock.now += 5
    gate.tokens.take(1_000)
    assert not await gate.is_open()
    clock.now += 60
    assert await gate.is_open()
    book.away = True
    assert not await gate.is_open()
    book.away, book.days["d"] = False, 1_000_000_000
    assert not await gate.is_open()
    book.days.clear()
    open_up(circuit)
    assert not await gate.is_open()


async def test_a_half_open_circuit_lets_one_of_many_waiters_through(clock: Hands, circuit: Circuit) -> None:
    """Those who waited together don't probe together."""
    gate = gate_of(clock, circuit, MemoryBook())
    open_up(circuit)
    clock.now += 10
    await asyncio.gather(gate.wait(), gate.wait())
    with gate.entered() as first, gate.entered() as second:
        assert (first, second) == (Passage.ONE_PROBE, None)
    with gate.entered() as third:
        assert third is Passage.ONE_PROBE
