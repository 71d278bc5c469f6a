"""The ledger's section: the sizes it measures at, the payments it records, and what it holds the largest size to."""

from __future__ import annotations

from typing import Any

import pytest

from bench import ledger_payments
from bench.ledger_reads import PAGE_ROWS
from bench.sections import ledger


def figures(**changes: Any) -> dict[str, Any]:
    """Return figures of one size that keep every promise, but for the changes."""
    step: dict[str, Any] = {
        "payments": 50_000,
        "get_ms": 1.0,
        "first_page_ms": {"all": 2.0, "status": 3.0},
        "page_2_ms": 2.0,
        "deep_page": 1_000,
        "deep_page_ms": 2.2,
        "deep_ratio": 1.1,
        "record_per_s": 20_000.0,
        "insert_per_s": 40_000.0,
        "ratio": 0.5,
    }
    return {"page_rows": 50, "call_items": 256, "calls_at_once": 4, "sizes": [{**step, **changes}]}


@pytest.mark.parametrize(
    ("payments", "sizes"),
    [(1_000, [1_000]), (50_000, [1_000, 10_000, 50_000]), (10**6, [10**3, 10**4, 10**5, 10**6])],
)
def test_the_curve_goes_by_powers_of_ten(payments: int, sizes: list[int]) -> None:
    """It begins at a thousand and ends with what was asked for."""
    assert ledger.sizes(payments) == sizes


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, 0),
        ({"get_ms": 2.1}, 1),
        ({"first_page_ms": {"all": 2.0, "status": 20.1}}, 1),
        ({"deep_ratio": 0.4}, 1),
        ({"deep_ratio": 1.6}, 1),
        ({"ratio": 0.39}, 1),
    ],
)
def test_each_promise_has_a_gate(changes: dict[str, Any], broken: int) -> None:
    """A figure beyond its limit breaks exactly its own gate."""
    gates = ledger.gates(figures(**changes))
    assert [gate.passed for gate in gates].count(False) == broken
    assert len(gates) == 4
    assert len(ledger.tables(figures(**changes))) == 1


def test_payments_are_the_same_every_time_and_fill_a_page_of_each_value() -> None:
    """The same numbers give the same payments, and an account listed has more than a page of them."""
    items = ledger_payments.items(range(1_000))
    assert items == ledger_payments.items(range(1_000))
    account = ledger_payments.selectors()["sender"].account.account
    events = [item.events[0].event for item in items]
    assert sum(event.sender_account == account for event in events) > PAGE_ROWS
    assert sum(event.receiver_account == account for event in events) > PAGE_ROWS
    assert not any(event.sender_account == event.receiver_account for event in events)
