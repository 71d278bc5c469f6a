"""A mock sender sends exactly as many deliveries as asked, shared between its scenarios."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from multidict import CIMultiDict

from autopay_cli.scenarios import (
    INVALID_FIELD,
    Case,
    Delivery,
    Population,
    Scenario,
    Signature,
    cases,
    flat,
    headers_of,
)
from providers.autopay import PROVIDER
from providers.contract import Refused, Secret, Unprocessable, Window

NOW_S = 1_790_000_000
EVERY = list(Population(run="any").scenarios)


def made(*scenarios: Scenario, count: int) -> list[Case]:
    """Cases with a fixed seed."""
    return list(cases(scenarios or EVERY, count, Population(run="test", seed=7)))


@pytest.mark.parametrize("count", [1, 7, 100, 601])
def test_the_count_is_of_deliveries_over_all_scenarios(count: int) -> None:
    """Whatever a case takes, the sum is what was asked for, and the shares are even."""
    shares = Counter(scenario for scenario, _ in flat(made(count=count)))
    assert sum(shares.values()) == count
    assert max(shares.values()) - min(shares.get(scenario, 0) for scenario in EVERY) <= 1


def test_payments_are_all_different() -> None:
    """Only a scenario repeats an id."""
    ids = [json.loads(delivery.body)["tx_id"] for _, delivery in flat(made(Scenario.VALID, count=500))]
    assert len(set(ids)) == 500


def test_a_duplicate_comes_as_the_same_request_and_signed_anew() -> None:
    """Three times the same bytes: the second repeats even the signature, the third has another."""
    first, repeated, anew = made(Scenario.DUPLICATE, count=3)[0].deliveries
    assert first.body == repeated.body == anew.body
    headers = headers_of(first, "s", now_s=NOW_S, previous={})
    assert headers_of(repeated, "s", now_s=NOW_S + 9, previous=headers) == headers
    assert headers_of(anew, "s", now_s=NOW_S, previous=headers) != headers


def test_a_conflict_changes_the_amount_alone() -> None:
    """Everything else is as in the first."""
    first, second = (json.loads(each.body) for each in made(Scenario.CONFLICT, count=2)[0].deliveries)
    assert first.pop("amount") != second.pop("amount")
    assert first == second


@pytest.mark.parametrize("scenario", EVERY)
def test_the_expected_answer_is_what_the_native_source_decides(scenario: Scenario) -> None:
    """Deliveries that must be refused are refused by the provider, for the expected reason, and no others."""
    window = Window()
    for case in made(scenario, count=120):
        headers: dict[str, str] = {}
        for delivery in case.deliveries:
            headers = dict(headers_of(delivery, "right", now_s=NOW_S, previous=headers))
            assert decision(delivery, headers, window) == delivery.expected.partition(" ")[2] or accepted(delivery)


def accepted(delivery: Delivery) -> bool:
    """Whether the delivery is one that only the ledger can decide on."""
    return delivery.expected.startswith(("200", "409"))


def decision(delivery: Delivery, headers: dict[str, str], window: Window) -> str:
    """The provider's reason to refuse the delivery, "" where it takes it."""
    try:
        taken = PROVIDER.verify(
            delivery.body, CIMultiDict(headers), [Secret("key", "right")], now_s=NOW_S, window=window
        )
        PROVIDER.map(taken.body, {})
    except Refused as refused:
        return refused.reason
    except Unprocessable:
        return INVALID_FIELD.partition(" ")[2]
    assert accepted(delivery)
    return ""


def test_every_wrong_signature_is_among_the_bad_ones() -> None:
    """A wrong secret, a signature of another body, and none at all."""
    kinds = {delivery.signature for _, delivery in flat(made(Scenario.BAD_SIGNATURE, count=60))}
    assert kinds == {Signature.WRONG_SECRET, Signature.OTHER_BODY, Signature.MISSING}


def test_the_same_seed_makes_the_same_payments() -> None:
    """A run can be made again."""
    assert made(count=50) == made(count=50)
