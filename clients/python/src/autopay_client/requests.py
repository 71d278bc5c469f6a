"""Requests that read, made from plain arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict, Unpack

from autopay.ledger.v1 import ledger_pb2

from autopay_client.money import Amount, money
from autopay_client.stating import Instant, milliseconds
from autopay_client.words import (
    ACCOUNT_ROLE,
    ANALYSIS_STATE,
    DISPOSITION,
    RESOLUTION,
    RISK_LEVEL,
    STATUS,
    SUMMARY_GROUP,
)

_PAGE_ROWS: Final = 500
_DELIVERIES_MAX: Final = 200
_BODIES_MAX: Final = 20


class Filter(TypedDict, total=False):
    """Conditions on payments; all of those given hold.

    `status` and `risk_level` are words ("success", "high"); amounts are in major units and need the `currency`.
    """

    source: str
    status: str | int
    currency: str
    risk_level: str | int
    amount_min: Amount
    amount_max: Amount


class Selection(Filter, total=False):
    """Which payments are listed, and how.

    `role` is the side the `account` is on: "either", "sender" or "receiver". `since` and `until` bound when the ledger
    first recorded the payment: aware datetimes, or milliseconds since the Unix epoch.
    """

    account: str
    role: str | int
    analysis_state: str | int
    since: Instant
    until: Instant
    ascending: bool
    page_size: int


def get(
    source: str, tx_id: str, *, full: bool, min_version: int, wait_s: float, wait_for_analysis: bool
) -> ledger_pb2.GetTransactionRequest:
    """Return a request for one payment."""
    return ledger_pb2.GetTransactionRequest(
        source=source,
        tx_id=tx_id,
        view=ledger_pb2.TRANSACTION_VIEW_FULL if full else ledger_pb2.TRANSACTION_VIEW_BASIC,
        min_version=min_version,
        wait_ms=int(wait_s * 1000),
        wait_for_analysis=wait_for_analysis,
    )


def transactions(**wanted: Unpack[Selection]) -> ledger_pb2.ListTransactionsRequest:
    """Return a request for the first page; the narrowest condition selects by its index, the others filter.

    Raises:
        ValueError: a word is none of the contract's, or two conditions exclude each other.
    """
    narrowing = _filter(wanted)
    return ledger_pb2.ListTransactionsRequest(
        selector=_selector(wanted, narrowing),
        filter=narrowing,
        recorded_since_ms=milliseconds(wanted.get("since")),
        recorded_until_ms=milliseconds(wanted.get("until")),
        ascending=wanted.get("ascending", False),
        page_size=wanted.get("page_size", _PAGE_ROWS),
    )


def watch(resume_token: str, heartbeat_s: float, **wanted: Unpack[Filter]) -> ledger_pb2.WatchTransactionsRequest:
    """Return a request for changes after a token, "" for now."""
    return ledger_pb2.WatchTransactionsRequest(
        resume_token=resume_token, filter=_filter(wanted), heartbeat_ms=int(heartbeat_s * 1000)
    )


def summary(
    since: Instant, until: Instant, by: Sequence[str | int], groups_max: int, **wanted: Unpack[Filter]
) -> ledger_pb2.SummarizeTransactionsRequest:
    """Return a request for counts and sums."""
    return ledger_pb2.SummarizeTransactionsRequest(
        recorded_since_ms=milliseconds(since),
        recorded_until_ms=milliseconds(until),
        group_by=[SUMMARY_GROUP.number(each) for each in by],  # type: ignore[misc]  # an enum's number
        filter=_filter(wanted),
        group_limit=groups_max,
    )


def deliveries(
    disposition: str | int, source: str, since: Instant | None, *, page_size: int, with_body: bool
) -> ledger_pb2.ListDeliveriesRequest:
    """Return a request for the first page of deliveries."""
    return ledger_pb2.ListDeliveriesRequest(
        disposition=DISPOSITION.number(disposition),  # type: ignore[arg-type]  # an enum's number
        source=source,
        received_since_ms=milliseconds(since),
        page_size=page_size or (_BODIES_MAX if with_body else _DELIVERIES_MAX),
        with_body=with_body,
    )


def resolve(delivery: str, resolution: str | int, *, author: str, note: str) -> ledger_pb2.ResolveDeliveryRequest:
    """Return a request that ends a quarantined delivery."""
    return ledger_pb2.ResolveDeliveryRequest(
        id=delivery,
        resolution=RESOLUTION.number(resolution),  # type: ignore[arg-type]  # an enum's number
        author=author,
        note=note,
    )


def _filter(wanted: Filter) -> ledger_pb2.TransactionFilter:
    currency = wanted.get("currency", "")
    return ledger_pb2.TransactionFilter(
        source=wanted.get("source", ""),
        status=STATUS.number(wanted.get("status", "")),  # type: ignore[arg-type]  # an enum's number
        currency=currency,
        amount_min=_minor_units(wanted.get("amount_min"), currency),
        amount_max=_minor_units(wanted.get("amount_max"), currency),
        risk_level=RISK_LEVEL.number(wanted.get("risk_level", "")),  # type: ignore[arg-type]
    )


def _selector(wanted: Selection, narrowing: ledger_pb2.TransactionFilter) -> ledger_pb2.TransactionSelector:
    """Return the condition that an index answers, and take it out of those that filter."""
    account, state = wanted.get("account", ""), ANALYSIS_STATE.number(wanted.get("analysis_state", ""))
    if account and state:
        raise ValueError("account and analysis_state each need the one index that selects: choose one of them")
    selector = ledger_pb2.TransactionSelector()
    if account:
        selector.account.account = account
        selector.account.role = ACCOUNT_ROLE.number(wanted.get("role", ""))  # type: ignore[assignment]  # as above
    elif state:
        selector.analysis_state = state  # type: ignore[assignment]
    elif narrowing.amount_min or narrowing.amount_max:
        # A range of amounts is filtered, and needs its currency beside it.
        selector.currency = narrowing.currency
    else:
        for name in ("risk_level", "status", "source", "currency"):
            if value := getattr(narrowing, name):
                setattr(selector, name, value)
                narrowing.ClearField(name)
                break
    return selector


def _minor_units(amount: Amount | None, currency: str) -> int:
    return 0 if amount is None else money(amount, currency).minor_units
