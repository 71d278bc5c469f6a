"""Counts and sums through the real ledger are exact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2

from mesh.errors import from_rpc_error
from tests.ledgers import TIMEOUT_S, RunningLedger, captured, clock_ms, refunded, running_ledger

DAY_MS = 86_400_000
LARGE = 2**53 + 1


async def summarize(ledger: RunningLedger, *by: Any, **fields: Any) -> ledger_pb2.SummarizeTransactionsResponse:
    """Sum up the last day."""
    request = ledger_pb2.SummarizeTransactionsRequest(
        group_by=by,
        **{"recorded_since_ms": clock_ms() - DAY_MS, "recorded_until_ms": clock_ms() + 1_000, **fields},
    )
    answer: ledger_pb2.SummarizeTransactionsResponse = await ledger.stub.SummarizeTransactions(
        request, timeout=TIMEOUT_S
    )
    return answer


def counts(answer: ledger_pb2.SummarizeTransactionsResponse) -> Mapping[tuple[str, ...], int]:
    """The count of each group, by its key's values in the order of their names."""
    return {tuple(row.key[name] for name in sorted(row.key)): row.count for row in answer.rows}


async def test_sums_are_exact_beyond_what_a_double_holds(mongo_url: str) -> None:
    """Three amounts of 2^53 + 1 add up to the last unit, and currencies are never added to each other."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(*[captured(f"T-{number}", LARGE) for number in range(3)])
        await ledger.record(captured("yen", 7, "JPY"), refunded("T-0", 5))
        answer = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_CURRENCY)
    euros, yen = answer.rows
    assert (euros.count, euros.amount.minor_units, euros.amount.currency, euros.amount.exponent) == (
        3,
        3 * LARGE,
        "EUR",
        2,
    )
    assert (euros.totals.captured, euros.totals.refunded) == (3 * LARGE, 5)
    assert (yen.count, yen.amount.minor_units, yen.amount.exponent) == (1, 7, 0)
    assert not answer.truncated


async def test_each_dimension_groups(mongo_url: str) -> None:
    """Status, source, hour, day, accounts and risk level each split the payments, the largest group first."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(captured("a"), captured("b"), risk=1)
        await ledger.record(captured("c", sender_account="bob"), refunded("c", 1), source="partner")
        now = datetime.fromtimestamp(time.time(), UTC)
        by_status = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_STATUS, ledger_pb2.SUMMARY_GROUP_SOURCE)
        assert counts(by_status) == {("EUR", "autopay", "success"): 2, ("EUR", "partner", "partially_refunded"): 1}
        assert by_status.rows[0].count == 2
        by_sender = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_SENDER, ledger_pb2.SUMMARY_GROUP_RISK_LEVEL)
        assert counts(by_sender) == {("EUR", "low", "alice"): 2, ("EUR", "", "bob"): 1}
        by_day = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_DAY, ledger_pb2.SUMMARY_GROUP_RECEIVER)
        assert counts(by_day) == {("EUR", f"{now:%Y-%m-%d}", "shop"): 3}
        by_hour = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_HOUR)
        assert counts(by_hour) == {("EUR", f"{now:%Y-%m-%dT%H}:00:00Z"): 3}


async def test_filters_and_limits_hold(mongo_url: str) -> None:
    """Only what passes the filter and lies in the range counts; more groups than the limit are said to be missing."""
    async with running_ledger(mongo_url) as ledger:
        events = [captured(f"T-{number}", 100 + number, sender_account=f"s-{number % 4}") for number in range(20)]
        await ledger.record(*events)
        few = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_SENDER, group_limit=3)
        assert (len(few.rows), few.truncated) == (3, True)
        all_four = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_SENDER, group_limit=4)
        assert (len(all_four.rows), all_four.truncated) == (4, False)
        some = await summarize(
            ledger,
            ledger_pb2.SUMMARY_GROUP_STATUS,
            filter={
                "source": "autopay",
                "status": payment_pb2.PAYMENT_STATUS_SUCCESS,
                "currency": "EUR",
                "amount_min": 105,
                "amount_max": 109,
            },
        )
        assert [(row.count, row.amount.minor_units) for row in some.rows] == [(5, 535)]
        earlier = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_STATUS, recorded_until_ms=clock_ms() - DAY_MS // 2)
        assert not earlier.rows


async def test_a_few_of_many_accounts_have_the_same_sums(mongo_url: str) -> None:
    """The first three senders are those that a question for all puts first, unknown ones and currencies apart."""
    async with running_ledger(mongo_url) as ledger:
        many = [captured(f"T-{number}", 100 + number, sender_account=f"s-{number % 60}") for number in range(60)]
        more = [captured(f"U-{number}", 7 + number, sender_account=f"s-{number % 3}") for number in range(8)]
        yen = [captured(f"Y-{number}", 5, "JPY", sender_account="s-1") for number in range(7)]
        unknown = [captured(f"N-{number}", 1 + number, sender_account="") for number in range(6)]
        await ledger.record(*many, *more, *yen, *unknown)
        every = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_SENDER, group_limit=10_000)
        few = await summarize(ledger, ledger_pb2.SUMMARY_GROUP_SENDER, group_limit=3)
    assert list(few.rows) == list(every.rows[:3])
    assert [(row.key["sender"], row.key["currency"], row.count, row.amount.minor_units) for row in few.rows] == [
        ("s-1", "JPY", 7, 35),
        ("", "EUR", 6, 21),
        ("s-0", "EUR", 4, 130),
    ]
    assert few.truncated
    assert not every.truncated


async def test_a_sum_beyond_int64_is_out_of_range(mongo_url: str) -> None:
    """A sum that does not fit is refused, not wrapped or rounded."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(captured("a", 2**63 - 1), captured("b", 1))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await summarize(ledger, ledger_pb2.SUMMARY_GROUP_STATUS)
    assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
    assert from_rpc_error(refused.value).metadata["currency"] == "EUR"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"group_by": []}, "group_by"),
        ({"group_by": [2, 3, 4, 6]}, "group_by"),
        ({"group_by": [2, 2]}, "group_by[1]"),
        ({"group_by": [0]}, "group_by[0]"),
        ({"group_by": [99]}, "group_by[0]"),
        ({"group_limit": -1}, "group_limit"),
        ({"group_limit": 10_001}, "group_limit"),
        ({"recorded_since_ms": 0}, "recorded_since_ms"),
        ({"recorded_since_ms": 1}, "recorded_until_ms"),
        ({"recorded_until_ms": 1}, "recorded_until_ms"),
        ({"filter": {"currency": "ABC"}}, "filter.currency"),
    ],
)
async def test_a_wrong_field_is_named(mongo_url: str, fields: dict[str, Any], field: str) -> None:
    """A request that makes no sense is INVALID_ARGUMENT and names its field."""
    by = fields.pop("group_by", [ledger_pb2.SUMMARY_GROUP_STATUS])
    async with running_ledger(mongo_url) as ledger:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await summarize(ledger, *by, **fields)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [wrong.field for wrong in from_rpc_error(refused.value).fields] == [field]
