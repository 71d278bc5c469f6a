"""LedgerService's reading side: proto ⇄ domain, no decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from enum import IntEnum
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from mesh.errors import invalid
from services.ledger import read_requests as rules
from services.ledger.adapters.payment_messages import summary_message, transaction_message
from services.ledger.analysis import AnalysisState
from services.ledger.auditing import Action, Auditor
from services.ledger.model import Status
from services.ledger.read_ports import PaymentFilter, RiskLevel, SelectBy
from services.ledger.reading import ListQuery, Reader
from services.ledger.requests import check_source
from services.ledger.summarizing import GROUPS_DEFAULT, GROUPS_MAX, Summarizer, SummaryQuery
from services.ledger.watching import Watching

_VIEWS: Final = frozenset(ledger_pb2.TransactionView.values())
_SIDES: Final = {
    ledger_pb2.ACCOUNT_ROLE_UNSPECIFIED: (SelectBy.SENDER, SelectBy.RECEIVER),
    ledger_pb2.ACCOUNT_ROLE_EITHER: (SelectBy.SENDER, SelectBy.RECEIVER),
    ledger_pb2.ACCOUNT_ROLE_SENDER: (SelectBy.SENDER,),
    ledger_pb2.ACCOUNT_ROLE_RECEIVER: (SelectBy.RECEIVER,),
}
_ENUMERATED: Final[Mapping[str, tuple[SelectBy, Mapping[int, IntEnum]]]] = {
    "status": (SelectBy.STATUS, {int(status): status for status in Status}),
    "risk_level": (SelectBy.RISK_LEVEL, {int(level): level for level in RiskLevel}),
    # What was never queued, which may be everything, has no index.
    "analysis_state": (
        SelectBy.ANALYSIS_STATE,
        {int(state): state for state in AnalysisState if state is not AnalysisState.NONE},
    ),
}

Context = grpc.aio.ServicerContext[Any, Any]


class ReadServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The RPCs that read."""

    def __init__(
        self,
        reader: Reader,
        watching: Watching[ledger_pb2.WatchTransactionsResponse],
        summarizer: Summarizer,
        auditor: Auditor,
    ) -> None:
        """Read through `reader` and `summarizer`, stream through `watching`; `auditor` notes what is read in full."""
        self._reader = reader
        self._watching = watching
        self._summarizer = summarizer
        self._auditor = auditor

    async def GetTransaction(
        self, request: ledger_pb2.GetTransactionRequest, context: Context
    ) -> ledger_pb2.GetTransactionResponse:
        """Return one payment, once it has reached a version where that is asked for."""
        del context
        source, tx_id, version = request.source, request.tx_id, request.min_version
        rules.check_name(source, tx_id)
        if request.view not in _VIEWS:
            raise invalid("view", "must be one of TransactionView")
        if version < 0:
            raise invalid("min_version", "must not be negative")
        rules.check_range(request.wait_ms, 0, rules.WAIT_MS_MAX, "wait_ms")
        rules.check_reader(request.reader, "reader")
        loop, wait_s = asyncio.get_running_loop(), request.wait_ms / 1000
        started = loop.time()
        if version and wait_s:

            async def reached() -> bool:
                return await self._reader.version_of(source, tx_id) >= version

            await self._watching.until_version(source, tx_id, version, already=reached, wait_s=wait_s)
        if request.wait_for_analysis and wait_s:
            await self._reader.until_analysed(source, tx_id, wait_s=wait_s - (loop.time() - started))
        full = request.view == ledger_pb2.TRANSACTION_VIEW_FULL
        found = await self._reader.get(source, tx_id, events=full)
        if full:
            named = {"reader": request.reader} if request.reader else {}
            await self._auditor.note(Action.READ_TRANSACTION, [found.payment.id], **named)
        return ledger_pb2.GetTransactionResponse(transaction=transaction_message(found, full=full))

    async def BatchGetTransactions(
        self, request: ledger_pb2.BatchGetTransactionsRequest, context: Context
    ) -> ledger_pb2.BatchGetTransactionsResponse:
        """Return the payments there are among those named."""
        del context
        count = len(request.names)
        if not count:
            raise invalid("names", f"must hold 1 to {rules.NAMES_MAX:,} names")
        if count > rules.NAMES_MAX:
            raise rules.too_large("names", count, rules.NAMES_MAX)
        names = [(name.source, name.tx_id) for name in request.names]
        for place, (source, tx_id) in enumerate(names):
            rules.check_name(source, tx_id, f"names[{place}].")
        found = await self._reader.get_many(names)
        return ledger_pb2.BatchGetTransactionsResponse(
            transactions=[transaction_message(each, full=False) for each in found]
        )

    async def ListTransactions(
        self, request: ledger_pb2.ListTransactionsRequest, context: Context
    ) -> ledger_pb2.ListTransactionsResponse:
        """Return one page."""
        del context
        page = await self._reader.page(_query(request), request.page_token)
        return ledger_pb2.ListTransactionsResponse(
            transactions=[transaction_message(found, full=False) for found in page.rows],
            next_page_token=page.next_token,
        )

    async def WatchTransactions(
        self, request: ledger_pb2.WatchTransactionsRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.WatchTransactionsResponse]:
        """Stream changes after a token, or from now on."""
        del context
        heartbeat_ms = request.heartbeat_ms or rules.HEARTBEAT_MS_DEFAULT
        rules.check_range(heartbeat_ms, rules.HEARTBEAT_MS_MIN, rules.HEARTBEAT_MS_MAX, "heartbeat_ms")
        wanted = _filter(request.filter)
        changes = self._watching.watch(request.resume_token or None, wanted, heartbeat_s=heartbeat_ms / 1000)
        async with aclosing(changes):
            async for message in changes:
                yield message

    async def SummarizeTransactions(
        self, request: ledger_pb2.SummarizeTransactionsRequest, context: Context
    ) -> ledger_pb2.SummarizeTransactionsResponse:
        """Return counts and sums by group."""
        del context
        rules.check_summary_times(request.recorded_since_ms, request.recorded_until_ms)
        groups_max = request.group_limit or GROUPS_DEFAULT
        rules.check_range(groups_max, 1, GROUPS_MAX, "group_limit")
        query = SummaryQuery(
            since_ms=request.recorded_since_ms,
            until_ms=request.recorded_until_ms,
            by=rules.dimensions_of(request.group_by),
            wanted=_filter(request.filter),
            groups_max=groups_max,
        )
        summary = await self._summarizer.summarize(query)
        return ledger_pb2.SummarizeTransactionsResponse(
            rows=[summary_message(row) for row in summary.rows], truncated=summary.truncated
        )


def _filter(message: ledger_pb2.TransactionFilter) -> PaymentFilter:
    return rules.filter_of(
        source=message.source,
        status=message.status,
        currency=message.currency,
        amount_min=message.amount_min,
        amount_max=message.amount_max,
        risk_level=message.risk_level,
    )


def _query(request: ledger_pb2.ListTransactionsRequest) -> ListQuery:
    rules.check_times(request.recorded_since_ms, request.recorded_until_ms)
    page_rows = request.page_size or rules.PAGE_ROWS_DEFAULT
    rules.check_range(page_rows, 1, rules.PAGE_ROWS_MAX, "page_size")
    by, value = _selector(request.selector)
    return ListQuery(
        by=by,
        value=value,
        wanted=_filter(request.filter),
        since_ms=request.recorded_since_ms,
        until_ms=request.recorded_until_ms,
        ascending=request.ascending,
        page_rows=page_rows,
    )


def _selector(selector: ledger_pb2.TransactionSelector) -> tuple[tuple[SelectBy, ...], Any]:
    """Return what a selector walks along, and its value."""
    which = selector.WhichOneof("by")
    if which is None:
        return (SelectBy.EVERYTHING,), ""
    if which == "source":
        check_source(selector.source, "selector.source")
        return (SelectBy.SOURCE,), selector.source
    if which == "currency":
        rules.check_currency(selector.currency, "selector.currency")
        return (SelectBy.CURRENCY,), selector.currency
    if which == "account":
        rules.check_account(selector.account.account, "selector.account.account")
        if selector.account.role not in _SIDES:
            raise invalid("selector.account.role", "must be one of AccountRole")
        return _SIDES[selector.account.role], selector.account.account
    by, values = _ENUMERATED[which]
    value = values.get(getattr(selector, which))
    if value is None:
        raise invalid(f"selector.{which}", "must be one that is stored; leave the selector out for any")
    return (by,), value
