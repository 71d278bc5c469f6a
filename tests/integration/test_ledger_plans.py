"""What MongoDB does for each list: it walks one index, looks at little more than it returns, and sorts nothing."""

from __future__ import annotations

from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2, risk_pb2

from tests.ledgers import TIMEOUT_S, RunningLedger, captured, refunded, running_ledger

_PAGE_ROWS = 50
_EXAMINED_MAX = 10 * _PAGE_ROWS + 100
_PAYMENTS = 3_000
# Under each, a third or more of the payments: what walks past the page, or sorts, looks at thousands.
_SELECTORS: dict[str, dict[str, Any]] = {
    "all": {},
    "source": {"source": "autopay"},
    "sender": {"account": {"account": "s-1", "role": ledger_pb2.ACCOUNT_ROLE_SENDER}},
    "receiver": {"account": {"account": "s-1", "role": ledger_pb2.ACCOUNT_ROLE_RECEIVER}},
    "either": {"account": {"account": "s-1", "role": ledger_pb2.ACCOUNT_ROLE_EITHER}},
    "status": {"status": payment_pb2.PAYMENT_STATUS_SUCCESS},
    "currency": {"currency": "EUR"},
    "risk": {"risk_level": risk_pb2.RISK_LEVEL_CRITICAL},
    "analysis": {"analysis_state": ledger_pb2.ANALYSIS_STATE_QUEUED},
}
# A filter that no payment passes: the scan ends where its bound is, not where the data does.
_NOTHING = {"currency": "EUR", "amount_min": 10**9}


async def _fill(ledger: RunningLedger) -> None:
    """Record payments whose conditions all overlap, the rarer values among them."""
    events = [
        captured(f"T-{number}", sender_account=f"s-{number % 3}", receiver_account=f"s-{(number + 1) % 3}")
        for number in range(_PAYMENTS)
    ]
    await ledger.record(*events[::2], risk=4)
    await ledger.record(*events[1::2], risk=1)
    await ledger.record(*(refunded(f"T-{number}", 1) for number in range(0, _PAYMENTS, 10)))
    database = ledger.database
    # Ascending pages stop short of now.
    earlier = [{"$set": {"recorded_at": {"$subtract": ["$recorded_at", 60_000]}}}]
    await database["transactions"].update_many({}, earlier)


async def _walks(ledger: RunningLedger, **fields: Any) -> list[list[dict[str, Any]]]:
    """What the server did for each of the first pages, three at most."""
    token, walks = "", list[list[dict[str, Any]]]()
    profile = ledger.database["system.profile"]
    for _ in range(3):
        before = await profile.count_documents({})
        request = ledger_pb2.ListTransactionsRequest(page_token=token, page_size=_PAGE_ROWS, **fields)
        answer = await ledger.stub.ListTransactions(request, timeout=TIMEOUT_S)
        entries = await profile.find().skip(before).to_list(None)
        walks.append([entry for entry in entries if entry.get("command", {}).get("find") == "transactions"])
        token = answer.next_page_token
        if not token:
            break
    assert len(walks) > 1, fields
    return walks


@pytest.mark.timeout(60)
async def test_every_list_walks_an_index(mongo_url: str) -> None:
    """For every selector, in both directions, with and without a filter, no page sorts or looks at more than it may."""
    async with running_ledger(mongo_url, analysis_policy="all") as ledger:
        await _fill(ledger)
        await ledger.database.command({"profile": 2})
        for name, selector in _SELECTORS.items():
            for ascending in (False, True):
                for wanted in ({}, _NOTHING):
                    walks = await _walks(ledger, selector=selector, ascending=ascending, filter=wanted)
                    # An account on either side is two walks, merged; where a filter makes them long, each is bound.
                    sides = 2 if name == "either" and wanted else 1
                    for page in walks:
                        case = (name, ascending, wanted, page)
                        assert page, case
                        assert sum(walk["keysExamined"] for walk in page) <= sides * (_EXAMINED_MAX + len(page)), case
                        assert sum(walk["docsExamined"] for walk in page) <= sides * _EXAMINED_MAX, case
                        assert not any(walk.get("hasSortStage") for walk in page), case
                        assert all(walk["planSummary"].startswith("IXSCAN") for walk in page), case
        await ledger.database.command({"profile": 0})


@pytest.mark.timeout(60)
async def test_a_payment_is_found_by_its_alias_without_looking_at_others(mongo_url: str) -> None:
    """Among thousands of one source, each alias costs a look into two indexes, and one command serves a whole batch."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(*(captured(f"T-{number}", aliases=[f"ch-{number}"]) for number in range(_PAYMENTS)))
        await ledger.record(*(captured(f"U-{number}") for number in range(_PAYMENTS)))
        await ledger.database.command({"profile": 2})
        for _ in range(3):
            await ledger.record(*(refunded("", 1, aliases=[f"ch-{number}"]) for number in range(40)))
        await ledger.database.command({"profile": 0})
        looked_at = {"op": "query", "command.filter.$or": {"$exists": True}}
        walks = await ledger.database["system.profile"].find(looked_at).to_list(None)
        payment = await ledger.database["transactions"].find_one({"_id": "autopay:T-39"})
    assert len(walks) == 3
    for walk in walks:
        assert "COLLSCAN" not in walk["planSummary"]
        assert (walk["nreturned"], walk["docsExamined"]) == (40, 40), walk
        assert walk["keysExamined"] <= 4 * 40, walk
    assert len(payment["events"]) == 4
