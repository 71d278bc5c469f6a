"""The ledger's reads over gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import payment_pb2, risk_pb2

from edge.adapters.payment_bodies import full_payment_of, payment_of
from edge.model import Analysed
from edge.questions import PaymentsQuestion
from edge.representations import FullPayment, Payment
from mesh.channel import call
from mesh.errors import Fault

SERVICE: Final = "autopay.ledger.v1.LedgerService"
_FULL: Final = ledger_pb2.TRANSACTION_VIEW_FULL
# Beyond a long poll's wait, for the read that follows it.
_WAIT_EXTRA_S: Final = 1.0
# The first of these that is given is looked up in its index; the others are filters.
_INDEXED: Final = ("risk_level", "status", "source", "currency")
_ENUMS: Final[Mapping[str, tuple[Any, str]]] = {
    "status": (payment_pb2.PaymentStatus, "PAYMENT_STATUS_"),
    "risk_level": (risk_pb2.RiskLevel, "RISK_LEVEL_"),
    "analysis_state": (ledger_pb2.AnalysisState, "ANALYSIS_STATE_"),
    "role": (ledger_pb2.AccountRole, "ACCOUNT_ROLE_"),
}
# The ledger's names of fields → the query's.
_PARAMETERS: Final = {"page_token": "cursor", "recorded_since_ms": "since", "recorded_until_ms": "until"}
_GROUPS: Final = ("filter.", "selector.", "account.")


class GrpcLedger:
    """The port `Ledger` over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over `channel`."""
        stub = ledger_pb2_grpc.LedgerServiceStub(channel)
        self._batch_get = stub.BatchGetTransactions
        self._get = stub.GetTransaction
        self._list = stub.ListTransactions

    async def find(self, sources: Sequence[str], tx_id: str, *, timeout_s: float) -> Sequence[Payment]:
        """Ask for the id under every source in one call."""
        names = [ledger_pb2.TransactionName(source=source, tx_id=tx_id) for source in sources]
        request = ledger_pb2.BatchGetTransactionsRequest(names=names)
        response: ledger_pb2.BatchGetTransactionsResponse = await call(self._batch_get, request, timeout_s=timeout_s)
        return [payment_of(transaction) for transaction in response.transactions]

    async def full(self, source: str, tx_id: str, *, reader: str, timeout_s: float) -> FullPayment:
        """Ask for one payment with everything; the ledger writes that down before it answers."""
        request = ledger_pb2.GetTransactionRequest(source=source, tx_id=tx_id, view=_FULL, reader=reader)
        response: ledger_pb2.GetTransactionResponse = await call(self._get, request, timeout_s=timeout_s)
        return full_payment_of(response.transaction)

    async def analysed(self, source: str, tx_id: str, *, wait_s: float) -> Analysed:
        """Wait for the end of a payment's analysis, in the ledger."""
        request = ledger_pb2.GetTransactionRequest(
            source=source, tx_id=tx_id, wait_ms=int(wait_s * 1000), wait_for_analysis=True
        )
        basic: ledger_pb2.GetTransactionResponse = await call(self._get, request, timeout_s=wait_s + _WAIT_EXTRA_S)
        state = payment_of(basic.transaction)["analysis_state"]
        if state != "done":
            return Analysed(state=state, analysis=None)
        # Only the full view has the analysis, and each look at that is written down.
        full = await self.full(source, tx_id, reader="", timeout_s=_WAIT_EXTRA_S)
        return Analysed(state=state, analysis=full["analysis"])

    async def page(self, question: PaymentsQuestion, *, timeout_s: float) -> tuple[Sequence[Payment], str]:
        """Ask for one page."""
        try:
            response: ledger_pb2.ListTransactionsResponse = await call(
                self._list, _list_request(question), timeout_s=timeout_s
            )
        except Fault as fault:
            raise _in_parameters(fault) from fault
        return [payment_of(transaction) for transaction in response.transactions], response.next_page_token


def _list_request(question: PaymentsQuestion) -> ledger_pb2.ListTransactionsRequest:
    wanted = ledger_pb2.TransactionFilter(
        source=question.source or "",
        status=_number("status", question.status),
        currency=question.currency or "",
        amount_min=question.minor_units("amount_min"),
        amount_max=question.minor_units("amount_max"),
        risk_level=_number("risk_level", question.risk_level),
    )
    return ledger_pb2.ListTransactionsRequest(
        # First, since it takes out of the filter what it selects by.
        selector=_selector(question, wanted),
        filter=wanted,
        recorded_since_ms=_milliseconds(question.since),
        recorded_until_ms=_milliseconds(question.until),
        ascending=question.order == "oldest",
        page_size=question.limit,
        page_token=question.cursor,
    )


def _selector(question: PaymentsQuestion, wanted: ledger_pb2.TransactionFilter) -> ledger_pb2.TransactionSelector:
    selector = ledger_pb2.TransactionSelector()
    if question.account:
        selector.account.account = question.account
        selector.account.role = _number("role", question.role)
    elif question.analysis_state:
        selector.analysis_state = _number("analysis_state", question.analysis_state)
    elif wanted.amount_min or wanted.amount_max:
        # A range of amounts is filtered, and needs its currency beside it.
        selector.currency = wanted.currency
    elif name := next((name for name in _INDEXED if getattr(wanted, name)), None):
        setattr(selector, name, getattr(wanted, name))
        wanted.ClearField(name)
    return selector


def _number(name: str, word: str | None) -> Any:
    enum, prefix = _ENUMS[name]
    return enum.Value(f"{prefix}{word.upper()}") if word else 0


def _milliseconds(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0


def _in_parameters(fault: Fault) -> Fault:
    """Return the ledger's fault in the names of the query's parameters."""
    fields = [replace(wrong, field=_parameter(wrong.field)) for wrong in fault.fields]
    return Fault(
        kind=fault.kind,
        reason=fault.reason,
        message=f"Put right: {', '.join(wrong.field for wrong in fields)}." if fields else fault.message,
        fields=fields,
        metadata=fault.metadata,
        retry_after_s=fault.retry_after_s,
    )


def _parameter(field: str) -> str:
    for group in _GROUPS:
        field = field.removeprefix(group)
    return _PARAMETERS.get(field, field)
